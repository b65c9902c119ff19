import { spawn, type ChildProcess } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { afterEach } from '@jest/globals';
import { Inbox } from './inbox.js';

/** What a program left behind. */
export interface Finished {
  /** null when a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A running child process; its output is read line by line, standard output and standard error together. */
export class Program {
  readonly lines = new Inbox<string>(10_000);
  /** Settles when the program is gone. */
  readonly finished: Promise<Finished>;
  private readonly child: ChildProcess;
  private output = '';
  private readonly chunks = new Inbox<string>(10_000);

  constructor(
    command: string,
    args: readonly string[],
    { input, ...options }: { cwd?: string; env?: NodeJS.ProcessEnv; input?: string } = {},
  ) {
    const child = spawn(command, args, { ...options, stdio: 'pipe' });
    this.child = child;
    for (const stream of [child.stdout, child.stderr]) {
      let unfinished = '';
      stream.setEncoding('utf8').on('data', (chunk: string) => {
        this.output += chunk;
        this.chunks.push(chunk);
        const lines = (unfinished + chunk).split('\n');
        unfinished = lines.pop()!;
        for (const line of lines) this.lines.push(line);
      });
    }
    child.stdin.on('error', () => {}); // it may end without having read its input
    child.stdin.end(input);
    const code = new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    this.finished = Promise.all([code, text(child.stdout), text(child.stderr)]).then(([exit, stdout, stderr]) => {
      this.lines.close(`${command} ended with ${exit}`);
      this.chunks.close(`${command} ended with ${exit}`);
      return { code: exit, stdout, stderr };
    });
  }

  /** Waits until the program has written this, in a line of its own or not. */
  async says(words: string): Promise<void> {
    await this.chunks.find(() => this.output.includes(words));
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }
}

/** Starts programs that do not outlive their test. */
export function programs(): (command: string, ...args: readonly (string | number)[]) => Program {
  const running: Program[] = [];
  afterEach(async () => {
    for (const program of running) program.kill('SIGKILL');
    await Promise.all(running.splice(0).map(({ finished }) => finished));
  });
  return (command, ...args) => {
    const program = new Program(command, args.map(String));
    running.push(program);
    return program;
  };
}
