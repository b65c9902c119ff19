import { PacketDecoder } from '../../lib/protocol/packet-decoder.js';
import { PacketType, type Packet, type ProtocolVersion } from '../../lib/protocol/packets.js';

/** Larger than anything that the standard can announce, so that the limit is never what a test sees. */
export const unlimited = 2 ** 32;

/** A decoder that expects this version; without one it expects a CONNECT. */
export const decoderFor = (protocolVersion?: ProtocolVersion): PacketDecoder =>
  new PacketDecoder({ maximumPacketSize: unlimited, ...(protocolVersion && { protocolVersion }) });

/** Every packet that the decoder can give for what was pushed. */
export function drain(decoder: PacketDecoder): Packet[] {
  const packets: Packet[] = [];
  for (let packet = decoder.next(); packet !== undefined; packet = decoder.next()) packets.push(plain(packet));
  return packets;
}

/** All packets in `chunks`, pushed one after the other. */
export function decodeChunks(version: ProtocolVersion | undefined, chunks: readonly Buffer[]): Packet[] {
  const decoder = decoderFor(version);
  return chunks.flatMap((chunk) => {
    decoder.push(chunk);
    return drain(decoder);
  });
}

/** Each byte as a chunk of its own. */
export const bytewise = (bytes: Buffer): Buffer[] => Array.from(bytes, (byte) => Buffer.from([byte]));

/** A PUBLISH as the plain object that the encoder takes; other packets are plain already. */
export function plain(packet: Packet): Packet {
  if (packet.type !== PacketType.PUBLISH) return packet;
  const { type, dup, qos, retain, topic, packetId, payload, properties } = packet;
  return { type, dup, qos, retain, topic, packetId, payload, properties };
}

/** What `action` throws; fails when it throws nothing. */
export function thrownBy(action: () => unknown): unknown {
  let result: unknown;
  try {
    result = action();
  } catch (error) {
    return error;
  }
  throw new Error(`nothing was thrown; the result is ${JSON.stringify(result)}`);
}
