import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Duplex } from 'node:stream';
import type { Peer } from '../broker/client.js';
import { Listener } from '../broker/listener.js';
import type { Log } from '../broker/log.js';
import { Conversation } from './conversation.js';
import { parseScript, type Script } from './script.js';

export interface ScriptedListenerOptions {
  /** Read again for each connection; where there is no such file, the broker serves it. */
  readonly configFile: string;
  /** Where the files `testN` are. Default the folder of the configuration file. */
  readonly logDirectory?: string | undefined;
  /** Milliseconds that a scripted client may say nothing. Default 60,000. */
  readonly idleMs?: number | undefined;
}

/**
 * Another listener whose connections misbehave on demand, for people who test MQTT clients: as curl's own MQTT test server does.
 *
 * A connection is scripted when the file has any key but `version` at that moment; else it is the broker's. Scripted ones are
 * served one at a time.
 */
export class ScriptedListener extends Listener {
  private readonly streams = new Set<Duplex>();
  private readonly waiting: (() => void)[] = [];
  private conversation: Conversation | undefined;

  constructor(
    readonly listener: Listener,
    private readonly options: ScriptedListenerOptions,
  ) {
    super();
    this.entrance = listener.entrance;
  }

  override get name(): string {
    return this.listener.name;
  }

  /** The port in use, once open; 0 where the listener has none. */
  get port(): number {
    return (this.listener as { readonly port?: number }).port ?? 0;
  }

  override async open(accept: (stream: Duplex, peer: Peer) => void, log: Log): Promise<void> {
    await this.listener.open((stream, peer) => {
      const script = this.readScript(log);
      if (script.isScripted) this.converse(stream, script, log);
      else accept(stream, peer);
    }, log);
  }

  override reload(): void {
    this.listener.reload();
  }

  override async close(): Promise<void> {
    await this.listener.close();
    for (const stream of this.streams) stream.destroy();
  }

  /** Off unless somebody tests a client, so it may wait for the disk. */
  private readScript(log: Log): Script {
    const { configFile } = this.options;
    let text = '';
    try {
      text = readFileSync(configFile, 'utf8');
    } catch (error) {
      log.debug(`${configFile} cannot be read, nothing is scripted: ${String(error)}`);
    }
    return parseScript(text, (line) => log.warn(`${configFile}: ${line}`));
  }

  private converse(stream: Duplex, script: Script, log: Log): void {
    const { configFile, logDirectory = dirname(configFile), idleMs = 60_000 } = this.options;
    this.streams.add(stream);
    stream.on('error', () => stream.destroy());
    const begin = (): void => {
      log.log(`scripted connection version=${script.version} config=${configFile}`);
      this.conversation = new Conversation(stream, script, logDirectory, idleMs);
    };
    stream.once('close', () => {
      this.streams.delete(stream);
      const index = this.waiting.indexOf(begin);
      if (index >= 0) this.waiting.splice(index, 1);
      else this.goOn();
    });
    if (!this.conversation) begin();
    else if (this.waiting.length < longestQueue) this.waiting.push(begin);
    else stream.destroy();
  }

  private goOn(): void {
    this.conversation = undefined;
    this.waiting.shift()?.();
  }
}

/** Connections that wait for their turn. */
const longestQueue = 64;
