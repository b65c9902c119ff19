import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** Everything that is measured shares a core; the load generator has another one for itself. */
export const cores = { brokers: 0, load: 1 };

const running = new Set();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

/** A child process pinned to a core, with what it says line by line. */
export class Program {
  #child;
  #lines = [];
  #isOver = false;
  /** Looks at the lines again. */
  #wake = () => {};

  constructor(core, command, args) {
    this.command = command;
    // taskset becomes the program itself: the process id is the program's.
    this.#child = spawn('taskset', ['-c', core, command, ...args].map(String));
    running.add(this.#child);
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        this.#lines.push(line);
        this.#wake();
      });
    }
    // It may end without having read its input.
    this.#child.stdin.on('error', () => {});
    /** Resolves with the exit status when the program is gone. */
    this.finished = new Promise((resolve, reject) => {
      this.#child.once('error', reject);
      this.#child.once('close', resolve);
    }).finally(() => {
      running.delete(this.#child);
      this.#isOver = true;
      this.#wake();
    });
  }

  get pid() {
    return this.#child.pid;
  }

  get isOver() {
    return this.#isOver;
  }

  /** Everything it said and nobody has taken. */
  get rest() {
    return this.#lines.join('\n');
  }

  /** Waits for a line that matches, takes it and what came before, and returns the match. */
  async line(pattern) {
    for (;;) {
      const index = this.#lines.findIndex((line) => pattern.test(line));
      if (index >= 0) return pattern.exec(this.#lines.splice(0, index + 1).at(-1));
      if (this.#isOver) throw new Error(`${this.command} ended without saying ${pattern}:\n${this.rest}`);
      await new Promise((resolve) => (this.#wake = resolve));
    }
  }

  tell(line) {
    this.#child.stdin.write(`${line}\n`);
  }

  /** Says what nobody has read: a warning of a broker explains a figure. */
  async stop() {
    this.#child.kill('SIGKILL');
    await this.finished;
    if (this.rest) console.error(this.rest);
  }
}
