import { isIP } from 'node:net';

/** What a proxy says of the client whose bytes follow; nothing where the proxy speaks for itself. */
export interface ProxiedPeer {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  /** Whether the client's stream to the proxy is encrypted. */
  readonly tls?: boolean | undefined;
  /** Common name of the client certificate that the proxy has verified. */
  readonly certificateName?: string | undefined;
}

export interface ProxyHeader {
  readonly peer: ProxiedPeer;
  /** Bytes of the header: the client's begin behind them. */
  readonly length: number;
}

/**
 * The header of the PROXY protocol, version 1 or 2, at the begin of `bytes`.
 * @returns undefined while it is not complete
 * @throws Error for what cannot become one, however it goes on
 * @see https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt
 */
export function parseProxyHeader(bytes: Buffer): ProxyHeader | undefined {
  if (startsAlike(bytes, signature)) return bytes.length < 16 ? undefined : parseBinary(bytes);
  if (startsAlike(bytes, textBegin)) return parseText(bytes);
  throw new Error('the connection does not begin with a PROXY header');
}

const signature = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
const textBegin = Buffer.from('PROXY ');

/** Whether one of both is the begin of the other. */
function startsAlike(bytes: Buffer, wanted: Buffer): boolean {
  const length = Math.min(bytes.length, wanted.length);
  return bytes.subarray(0, length).equals(wanted.subarray(0, length));
}

/** Version 1: `PROXY TCP4 192.0.2.1 192.0.2.9 56324 1883` and CR LF. */
function parseText(bytes: Buffer): ProxyHeader | undefined {
  const end = bytes.subarray(0, longestText).indexOf('\r\n');
  if (end < 0) {
    if (bytes.length >= longestText) throw new Error('a PROXY header has no end');
    return undefined;
  }
  const line = bytes.toString('latin1', 0, end);
  const length = end + 2;
  if (/^PROXY UNKNOWN( |$)/.test(line)) return { peer: {}, length };
  const parts = /^PROXY TCP([46]) (\S+) (\S+) (\d{1,5}) (\d{1,5})$/.exec(line);
  const [, family, source, destination, port, otherPort] = parts ?? [];
  const isValid =
    parts &&
    isIP(source) === Number(family) &&
    isIP(destination) === Number(family) &&
    isPort(port) &&
    isPort(otherPort);
  if (!isValid) throw new Error('a PROXY header of version 1 is malformed');
  return { peer: { remoteAddress: source, remotePort: Number(port) }, length };
}

const isPort = (text: string): boolean => Number(text) <= 65_535;

/** CR LF included. */
const longestText = 107;

/** Version 2: signature, version and command, family, length, addresses, and then types, lengths and values. */
function parseBinary(bytes: Buffer): ProxyHeader | undefined {
  const [command, family] = [bytes[12], bytes[13]];
  const length = 16 + bytes.readUInt16BE(14);
  if (command !== 0x20 && command !== 0x21) throw new Error('a PROXY header has an unknown version or command');
  if (length > longestBinary) throw new Error(`a PROXY header has more than ${longestBinary} bytes`);
  if (bytes.length < length) return undefined;
  // LOCAL: the proxy itself, to see whether we are there.
  if (command === 0x20) return { peer: {}, length };
  const size = addressSizes[family >> 4];
  if (size === undefined || (family & 15) > 2) throw new Error('a PROXY header has an unknown address family');
  if (length < 16 + size) throw new Error('a PROXY header is shorter than its addresses');
  return { peer: { ...addressOf(bytes, family), ...tlsOf(bytes.subarray(16 + size, length)) }, length };
}

/** Bytes of both addresses and ports, by family: unspecified, IPv4, IPv6, Unix. */
const addressSizes = [0, 12, 36, 216] as const;

const longestBinary = 4096;

function addressOf(bytes: Buffer, family: number): ProxiedPeer {
  // Over TCP only.
  if (family === 0x11) {
    return { remoteAddress: [...bytes.subarray(16, 20)].join('.'), remotePort: bytes.readUInt16BE(24) };
  }
  if (family !== 0x21) return {};
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(16 + index * 2).toString(16));
  // As the platform writes it: `2001:db8::1`.
  const remoteAddress = new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
  return { remoteAddress, remotePort: bytes.readUInt16BE(48) };
}

function tlsOf(values: Buffer): ProxiedPeer {
  for (const [type, value] of typedValues(values)) {
    if (type !== sslType) continue;
    if (value.length < 5) throw new Error('a PROXY header says too little about TLS');
    const [flags, verify] = [value[0], value.readUInt32BE(1)];
    const names = [...typedValues(value.subarray(5))].filter(([subtype]) => subtype === commonNameType);
    const isVerified = verify === 0 && (flags & certificateFlags) !== 0;
    const certificateName = isVerified ? names[0]?.[1].toString('utf8') : undefined;
    return { tls: (flags & 1) !== 0, certificateName };
  }
  return {};
}

const sslType = 0x20;
const commonNameType = 0x22;
/** A certificate was shown on this connection, or in this TLS session. */
const certificateFlags = 0x06;

function* typedValues(bytes: Buffer): Generator<[type: number, value: Buffer], void> {
  let at = 0;
  while (at < bytes.length) {
    if (at + 3 > bytes.length) throw new Error('a PROXY header is cut off');
    const end = at + 3 + bytes.readUInt16BE(at + 1);
    if (end > bytes.length) throw new Error('a PROXY header is cut off');
    yield [bytes[at], bytes.subarray(at + 3, end)];
    at = end;
  }
}
