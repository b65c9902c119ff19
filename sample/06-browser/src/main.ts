import 'reflect-metadata';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { AppModule } from './app.module.js';

const app = await NestFactory.create<NestExpressApplication>(AppModule);
app.useStaticAssets(fileURLToPath(new URL('../page', import.meta.url)));
// The client for browsers, as mqtt.js brings it along.
app.useStaticAssets(dirname(createRequire(import.meta.url).resolve('mqtt/dist/mqtt.min')), { prefix: '/mqtt.js/' });
app.enableShutdownHooks([], { useProcessExit: true });
await app.listen(Number(process.env.HTTP_PORT ?? 3000), '127.0.0.1');
console.log(`open ${await app.getUrl()}`);
