import type { Duplex } from 'node:stream';
import { PacketType } from '../protocol/packets.js';
import { defaultPayload, readReplyPayload } from './reply-payload.js';
import type { Script } from './script.js';

/**
 * One connection of a client under test, which gets what the script says and not what MQTT says.
 *
 * A world of its own: nothing of the broker, and no more of MQTT 3.1.1 than curl's own test server knows, byte for byte.
 * @see https://github.com/curl/curl/blob/master/tests/server/mqttd.c
 */
export class Conversation {
  private received: Buffer = Buffer.alloc(0);
  /** Bytes of a PUBLISH, and of what is to follow it, that are not looked at. */
  private skipping = 0;
  private expects: 'connect' | 'request' | 'rest' | 'end' = 'connect';
  private readonly timer: NodeJS.Timeout;

  /**
   * @param directory where the files `testN` are
   * @param idleMs a client that says nothing for so long is left
   */
  constructor(
    private readonly stream: Duplex,
    private readonly script: Script,
    private readonly directory: string,
    idleMs: number,
  ) {
    this.timer = setTimeout(() => this.stream.destroy(), idleMs).unref();
    stream.on('data', (chunk: Buffer) => this.onData(chunk));
    stream.on('end', () => this.stream.end());
    stream.on('error', () => this.stream.destroy());
    stream.on('close', () => clearTimeout(this.timer));
  }

  private onData(chunk: Buffer): void {
    if (this.expects === 'end') return;
    this.timer.refresh();
    if (this.expects === 'rest') {
      this.skip(chunk.length);
      return;
    }
    this.received = Buffer.concat([this.received, chunk]);
    while (this.expects === 'connect' || this.expects === 'request') {
      const header = fixedHeaderOf(this.received);
      if (header === undefined) return;
      if (header === 'malformed') return this.close();
      const { first, remaining, length } = header;
      const isPublish = first >> 4 === PacketType.PUBLISH;
      if (this.expects === 'request' && isPublish) {
        // Its two bytes of DISCONNECT follow.
        this.expects = 'rest';
        this.skipping = remaining + 2;
        this.skip(this.received.length - length);
        return;
      }
      if (remaining > longestPacket) return this.close();
      if (this.received.length < length + remaining) return;
      const body = this.received.subarray(length, length + remaining);
      this.received = this.received.subarray(length + remaining);
      if (this.expects === 'connect') this.connect(first, body);
      else this.subscribe(first, body);
    }
  }

  private connect(first: number, body: Buffer): void {
    if (first !== PacketType.CONNECT << 4 || !isConnect(body)) return this.close();
    const { answersPingresp, connackLength, connackCode } = this.script;
    const type = answersPingresp ? PacketType.PINGRESP : PacketType.CONNACK;
    this.stream.write(Buffer.from([type << 4, connackLength, 0, connackCode]));
    this.expects = 'request';
  }

  private subscribe(first: number, body: Buffer): void {
    const topicLength = body.length >= 4 ? body.readUInt16BE(2) : -1;
    // One filter and its options.
    if (first !== 0x82 || body.length !== topicLength + 5) return this.close();
    const payload = this.payload();
    if (!payload) return this.close();
    const suback = Buffer.from([PacketType.SUBACK << 4, 3, body[0], body[1], 0]);
    const publish = this.publish(body.subarray(2, -1), payload);
    const { publishesBeforeSuback, shortensPublish, malformsDisconnect } = this.script;
    if (shortensPublish) {
      this.stream.write(publishesBeforeSuback ? publish : Buffer.concat([suback, publish]));
      return this.close();
    }
    const disconnect = malformsDisconnect ? [0xe0, 2, 0, 0] : [0xe0, 0];
    const answers = publishesBeforeSuback ? [publish, suback] : [suback, publish];
    this.stream.write(Buffer.concat([...answers, Buffer.from(disconnect)]));
    this.expects = 'end';
  }

  /** @param topic with its length in front */
  private publish(topic: Buffer, payload: Buffer): Buffer {
    const { shortensPublish, exceedsRemaining } = this.script;
    const whole = Buffer.concat([topic, payload]);
    const remaining = exceedsRemaining ? [0xff, 0xff, 0xff, 0x80] : remainingLength(whole.length);
    const rest = shortensPublish ? whole.subarray(0, -2) : whole;
    return Buffer.concat([Buffer.from([PacketType.PUBLISH << 4, ...remaining]), rest]);
  }

  private payload(): Buffer | undefined {
    const { testNumber } = this.script;
    if (testNumber === undefined) return defaultPayload;
    try {
      return readReplyPayload(this.directory, testNumber);
    } catch {
      return undefined; // the client finds out by the end of its connection, as in curl's server
    }
  }

  private skip(bytes: number): void {
    this.skipping -= bytes;
    this.received = Buffer.alloc(0);
    if (this.skipping <= 0) this.close();
  }

  private close(): void {
    this.expects = 'end';
    this.received = Buffer.alloc(0);
    this.stream.end();
    // What still comes is read and thrown away: with unread bytes the end would be a reset.
    this.stream.resume();
  }
}

/** Bytes of a CONNECT or SUBSCRIBE: its strings have 65,535 at most. */
const longestPacket = 262_144;

interface FixedHeader {
  readonly first: number;
  readonly remaining: number;
  /** Bytes of the header itself. */
  readonly length: number;
}

/** undefined while it is not complete. */
function fixedHeaderOf(bytes: Buffer): FixedHeader | 'malformed' | undefined {
  let remaining = 0;
  for (let at = 1; at <= 4; at++) {
    if (at >= bytes.length) return undefined;
    remaining += (bytes[at] & 0x7f) * 128 ** (at - 1);
    if (bytes[at] < 0x80) return { first: bytes[0], remaining, length: at + 1 };
  }
  return 'malformed';
}

/** Name and level of MQTT 3.1.1, no will, and the length that id, user name and password add up to. */
function isConnect(body: Buffer): boolean {
  const flags = body[7];
  if (body.length < 12 || !body.subarray(0, 7).equals(protocol) || (flags & willFlag) !== 0) return false;
  const idLength = body.readUInt16BE(10);
  if (idLength > longestClientId) return false;
  let at = 12 + idLength;
  for (const bit of [0x80, 0x40]) {
    if ((flags & bit) === 0) continue;
    if (at + 2 > body.length) return false;
    at += 2 + body.readUInt16BE(at);
  }
  return at === body.length;
}

const protocol = Buffer.from('00044d51545404', 'hex');
const willFlag = 0x04;
const longestClientId = 31;

function remainingLength(length: number): number[] {
  const bytes: number[] = [];
  for (let left = length; ; left = Math.floor(left / 128)) {
    if (left < 128) return [...bytes, left];
    bytes.push((left % 128) | 0x80);
  }
}
