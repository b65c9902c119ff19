#!/usr/bin/env node
import 'reflect-metadata';
import { rmSync, writeFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { Logger, Module, type INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { hashPassword, MQTTdBroker, MQTTdModule, type TcpListener } from '../index.js';
import { version } from '../mqttd.version.js';
import { brokerOptions, type BrokerSetup } from './broker-options.js';
import { CommandLineError, helpText, readCommandLine, type CommandLine } from './command-line.js';
import { FileLogger } from './file-logger.js';

/** A broker without an application to write: itself a Nest application, made of what everybody can use. */
async function main(): Promise<void> {
  const given = readCommandLine(process.argv.slice(2), process.env);
  if (given.help) process.stdout.write(helpText());
  else if (given.version) process.stdout.write(`${version}\n`);
  else if (given['hash-password']) process.stdout.write(`${await hashPassword(await readPassword())}\n`);
  else await run(given);
}

async function readPassword(): Promise<string> {
  const password = (await text(process.stdin)).replace(/\r?\n$/, '');
  if (password === '') throw new CommandLineError('--hash-password: there is no password on standard input');
  return password;
}

async function run(given: CommandLine): Promise<void> {
  const setup = brokerOptions(given);
  const logger = given.logfile === undefined ? undefined : new FileLogger(given.logfile);
  @Module({ imports: [MQTTdModule.forRoot(setup.options)] })
  class BrokerModule {}
  const starting = NestFactory.createApplicationContext(BrokerModule, {
    abortOnError: false,
    ...(logger && { logger }),
  });
  const files = [given.pidfile, given.portfile].filter((file) => file !== undefined);
  // Whoever sees in the log that it listens may send a signal at once.
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => void starting.then((app) => end(app, files)));
  }
  process.on('SIGHUP', () => void starting.then((app) => reload(app.get(MQTTdBroker), setup, logger)));
  const [listener] = (await starting).get(MQTTdBroker).listeners;
  if (given.pidfile !== undefined) writeFileSync(given.pidfile, `${process.pid}\n`);
  if (given.portfile !== undefined) writeFileSync(given.portfile, `${(listener as TcpListener).port}\n`);
}

async function end(app: INestApplicationContext, files: readonly string[]): Promise<void> {
  try {
    await app.close();
  } finally {
    for (const file of files) rmSync(file, { force: true });
  }
  process.exit(0);
}

/** What cannot be read stays as it was. */
function reload(broker: MQTTdBroker, { reloadUsers }: BrokerSetup, fileLogger: FileLogger | undefined): void {
  const logger = new Logger('MQTTd');
  const attempts: [what: string, attempt: () => void][] = [
    ['log file', () => fileLogger?.reopen()],
    ['certificates', () => broker.reloadCertificates()],
    ['users', reloadUsers],
  ];
  for (const [what, attempt] of attempts) {
    try {
      attempt();
      logger.log(`${what} read again`);
    } catch (error) {
      logger.error(
        `${what} not read again, all stays as it was: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  }
}

main().catch((error: unknown) => {
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`nestjs-mqttd: ${message}\n`);
  if (error instanceof CommandLineError) process.stderr.write('Try nestjs-mqttd --help.\n');
  process.exit(error instanceof CommandLineError ? 2 : 1);
});
