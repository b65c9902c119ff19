// A node of ours as a process of its own, from the built package: an application with nothing in it but the module, and one
// handler where it is asked for (`{ handler: { pattern, mode } }`).
import 'reflect-metadata';
import { createInterface } from 'node:readline';
import { Controller } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MQTTdBroker, MQTTdModule, OnPublish } from '../../dist/esm/index.js';

const { handler, ...given } = JSON.parse(process.argv[2]);
const options = given.listeners ? given : { port: 0, host: '127.0.0.1', ...given };
const application = {
  module: class {},
  imports: [MQTTdModule.forRoot(options)],
  controllers: handler ? [controllerWith(handler)] : [],
};
const app = await NestFactory.createApplicationContext(application, { logger: ['warn', 'error'] });
const { listeners, counters, router } = app.get(MQTTdBroker);
console.log(`ready port=${listeners[0].port}`);

const questions = createInterface({ input: process.stdin });
questions.on('line', () => {
  const status = { messagesReceived: counters.messagesReceived, otherRoutes: router.otherRoutes?.length };
  console.log(`status=${JSON.stringify(status)}`);
});
// It does not outlive who started it.
questions.on('close', () => process.exit());

/** Its one method does nothing. */
function controllerWith({ pattern, mode }) {
  class Handlers {
    hear() {}
  }
  const { prototype } = Handlers;
  OnPublish(pattern, { mode })(prototype, 'hear', Object.getOwnPropertyDescriptor(prototype, 'hear'));
  Controller()(Handlers);
  return Handlers;
}
