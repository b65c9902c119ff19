import 'reflect-metadata';
import { Logger } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { AppModule } from './app.module.js';

/** One node. Which one, and where Redis is, start-nodes.ts says in the environment. */
const app = await NestFactory.create(AppModule);
// SIGTERM ends the application in order: exit code 0, as nothing went wrong.
app.enableShutdownHooks([], { useProcessExit: true });
await app.listen(Number(process.env.HTTP_PORT), '127.0.0.1');
new Logger('HTTP').log(`health on ${await app.getUrl()}/health`);
