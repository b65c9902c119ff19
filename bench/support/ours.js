// A node of ours as a process of its own: an application with nothing in it but the module, from the built package.
import 'reflect-metadata';
import { createInterface } from 'node:readline';
import { NestFactory } from '@nestjs/core';
import { MQTTdBroker, MQTTdModule } from '../../dist/esm/index.js';

const options = { port: 0, host: '127.0.0.1', ...JSON.parse(process.argv[2]) };
const app = await NestFactory.createApplicationContext(MQTTdModule.forRoot(options), { logger: ['warn', 'error'] });
const { listeners, counters, router } = app.get(MQTTdBroker);
console.log(`ready port=${listeners[0].port}`);

const questions = createInterface({ input: process.stdin });
questions.on('line', () => {
  const status = { messagesReceived: counters.messagesReceived, otherRoutes: router.otherRoutes?.length };
  console.log(`status=${JSON.stringify(status)}`);
});
// It does not outlive who started it.
questions.on('close', () => process.exit());
