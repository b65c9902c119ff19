import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { AppModule } from './app.module.js';

const app = await NestFactory.createApplicationContext(AppModule);
// SIGTERM and Ctrl-C end the application in order: exit code 0, as nothing went wrong.
app.enableShutdownHooks([], { useProcessExit: true });
