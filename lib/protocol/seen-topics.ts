import { randomInt } from 'node:crypto';
import { decodeString } from './byte-reader.js';
import { MqttError } from './mqtt-error.js';
import { ReasonCode } from './reason-codes.js';

/**
 * Topic Names that were seen lately, from their bytes to one checked string.
 *
 * Devices repeat their topics. A look-up here is two passes over the bytes; decoding afresh is a call into C++,
 * a new string and, at the next Map look-up, its hash. A direct-mapped table of fixed size: a collision
 * just replaces the entry, so a flood of topics costs time but no memory.
 */
export class SeenTopics {
  /** One piece for all: a topic that is seen once costs no object but its name. */
  private readonly bytes = Buffer.alloc(slots * longestKept);
  private readonly nameAt: string[] = Array.from({ length: slots }, () => '');
  private readonly lengthAt = new Uint8Array(slots);
  /** Hash of the last topic that was not here: what is seen once takes no slot. */
  private readonly askedAt = new Int32Array(slots);

  /** Of the topic that was decoded last; 0 where it is too long to be kept. */
  lastHash = 0;

  /** @param maximumLevels above which a topic name is refused: what is kept and walked level by level has a bound */
  constructor(private readonly maximumLevels = Infinity) {}

  /**
   * The Topic Name in `bytes[start, end)`.
   * @throws MqttError MalformedPacket (UTF-8) | TopicNameInvalid (wildcard, too many levels)
   */
  decode(bytes: Buffer, start: number, end: number): string {
    const length = end - start;
    this.lastHash = 0;
    if (length > longestKept) return this.decodeNew(bytes, start, end);
    let hash = secret;
    for (let index = 0; index < length; index++)
      hash = (hash + Math.imul(bytes[start + index], multipliers[index])) | 0;
    this.lastHash = hash;
    const slot = (hash ^ (hash >>> 15)) & (slots - 1);
    if (this.lengthAt[slot] === length && this.isAt(slot, bytes, start, length)) return this.nameAt[slot];
    const name = this.decodeNew(bytes, start, end);
    if (this.askedAt[slot] === hash) this.keep(slot, bytes, start, length, name);
    else this.askedAt[slot] = hash;
    return name;
  }

  private keep(slot: number, bytes: Buffer, start: number, length: number, name: string): void {
    const at = slot * longestKept;
    for (let index = 0; index < length; index++) this.bytes[at + index] = bytes[start + index];
    this.lengthAt[slot] = length;
    this.nameAt[slot] = name;
  }

  private isAt(slot: number, bytes: Buffer, start: number, length: number): boolean {
    const seen = this.bytes;
    const at = slot * longestKept;
    for (let index = 0; index < length; index++) if (seen[at + index] !== bytes[start + index]) return false;
    return true;
  }

  private decodeNew(bytes: Buffer, start: number, end: number): string {
    const name = decodeString(bytes, start, end);
    // [MQTT-3.3.2-2] [MQTT-4.7.0-1]
    if (name.includes('+') || name.includes('#')) {
      throw new MqttError(ReasonCode.TopicNameInvalid, 'a topic name holds a wildcard', 'MQTT-3.3.2-2');
    }
    let levels = 1;
    for (let at = name.indexOf('/'); at !== -1; at = name.indexOf('/', at + 1)) levels++;
    if (levels > this.maximumLevels) {
      throw new MqttError(ReasonCode.TopicNameInvalid, `a topic name has more than ${this.maximumLevels} levels`);
    }
    return name;
  }
}

const slots = 4096;
/** Bytes of a topic. */
const longestKept = 128;
/**
 * A multiplier for each place, secret as clients choose the topics. With one for all of them, however secret, there are texts
 * that collide whatever it is.
 */
const multipliers = Int32Array.from({ length: longestKept }, anyInteger);
const secret = anyInteger();

function anyInteger(): number {
  return randomInt(0x1_0000_0000) | 0;
}
