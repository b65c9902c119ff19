import { closeSync, openSync, writeSync } from 'node:fs';
import type { LoggerService } from '@nestjs/common';

/** Nest's log, a line for each entry, appended to a file. */
export class FileLogger implements LoggerService {
  private descriptor: number;

  /** @throws Error when the file cannot be written to */
  constructor(private readonly file: string) {
    this.descriptor = openSync(file, 'a');
  }

  /** The file has been moved away: goes on in a new one. */
  reopen(): void {
    const next = openSync(this.file, 'a');
    closeSync(this.descriptor);
    this.descriptor = next;
  }

  log(message: unknown, ...context: unknown[]): void {
    this.write('LOG', message, context);
  }

  warn(message: unknown, ...context: unknown[]): void {
    this.write('WARN', message, context);
  }

  error(message: unknown, ...context: unknown[]): void {
    this.write('ERROR', message, context);
  }

  private write(level: string, message: unknown, context: readonly unknown[]): void {
    const name = context.at(-1);
    const text = message instanceof Error ? message.message : String(message);
    // One entry is one line, whatever a client has put into it.
    const line = `${typeof name === 'string' ? `[${name}] ` : ''}${text}`.replaceAll(/[\r\n]+/g, ' ');
    try {
      writeSync(this.descriptor, `${new Date().toISOString()} ${level} ${line}\n`);
    } catch {
      // The disk is full: the broker goes on without a log.
    }
  }
}
