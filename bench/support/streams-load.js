// Load over what mqttload does not speak: TLS and WebSocket. `node streams-load.js '{"url": "mqtts://127.0.0.1:8883", ...}'` prints one line of JSON,
// with the names that mqttload uses.
//
// Pairs of a publisher and a subscriber, MQTT 3.1.1, in a closed loop: a pair has so many messages on their way, and sends again what has arrived. Packets
// have one length and are not decoded, only looked at where they may differ: the first byte, and the sequence number of the message.
import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { readFileSync } from 'node:fs';
import { createWebSocketStream, WebSocket } from 'ws';

const {
  url,
  pid,
  qos = 0,
  pairs = 50,
  size = 64,
  window = 2000,
  seconds = 5,
  warmup = 1,
} = JSON.parse(process.argv[2]);
const { protocol, hostname: host, port } = new URL(url);
const perPair = Math.max(1, Math.floor(window / pairs));
const topicBytes = 9;
const idBytes = qos > 0 ? 2 : 0;
const payloadAt = 2 + 2 + topicBytes + idBytes;
const packetLength = payloadAt + size;
const firstByte = 0x30 | (qos << 1);
if (packetLength - 2 > 127) throw new RangeError('the packets have one byte for their length');

const totals = { received: 0, lost: 0, reordered: 0, corrupt: 0 };

class Pair {
  constructor(number) {
    this.topic = `pair/${String(number).padStart(4, '0')}`;
    this.template = this.packet();
    this.nextSequence = 0;
    this.nextId = 1;
    this.expected = 0;
    this.rest = Buffer.alloc(0);
  }

  async open(number) {
    [this.publisher, this.subscriber] = await Promise.all([opened(`p${number}`), opened(`s${number}`)]);
    const filter = Buffer.from(this.topic);
    const length = Buffer.from([0, filter.length]);
    const body = Buffer.concat([Buffer.from([0, 1]), length, filter, Buffer.from([qos])]);
    await answered(this.subscriber, Buffer.concat([Buffer.from([0x82, body.length]), body]), 5);
    this.subscriber.on('data', (chunk) => this.onData(chunk)).resume();
    // Acknowledgements, which only have to be read.
    this.publisher.resume();
  }

  send(count) {
    const bytes = Buffer.allocUnsafe(count * packetLength);
    for (let index = 0; index < count; index++) {
      const at = index * packetLength;
      this.template.copy(bytes, at);
      if (qos > 0) {
        bytes.writeUInt16BE(this.nextId, at + payloadAt - 2);
        this.nextId = (this.nextId % 65_535) + 1;
      }
      bytes.writeUInt32BE(this.nextSequence++, at + payloadAt);
    }
    this.publisher.write(bytes);
  }

  packet() {
    const header = Buffer.from([firstByte, packetLength - 2, 0, topicBytes]);
    return Buffer.concat([header, Buffer.from(this.topic), Buffer.alloc(idBytes), Buffer.alloc(size, 'x')]);
  }

  onData(chunk) {
    const bytes = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk]);
    const count = Math.floor(bytes.length / packetLength);
    const acknowledgements = qos > 0 ? Buffer.alloc(4 * count, Buffer.from([0x40, 2, 0, 0])) : undefined;
    for (let index = 0; index < count; index++) {
      const at = index * packetLength;
      this.check(bytes[at], bytes.readUInt32BE(at + payloadAt));
      if (acknowledgements) bytes.copy(acknowledgements, 4 * index + 2, at + payloadAt - 2, at + payloadAt);
    }
    this.rest = bytes.subarray(count * packetLength);
    if (count === 0) return;
    if (acknowledgements) this.subscriber.write(acknowledgements);
    totals.received += count;
    if (isRunning) this.send(count);
  }

  check(first, sequence) {
    if (first !== firstByte) totals.corrupt++;
    if (sequence < this.expected) totals.reordered++;
    else totals.lost += sequence - this.expected;
    this.expected = sequence + 1;
  }
}

async function opened(clientId) {
  const stream = await connected();
  const name = Buffer.from(clientId);
  const body = Buffer.concat([
    Buffer.from([0, 4]),
    Buffer.from('MQTT'),
    Buffer.from([4, 2, 0, 60, 0, name.length]),
    name,
  ]);
  await answered(stream, Buffer.concat([Buffer.from([0x10, body.length]), body]), 4);
  return stream;
}

async function connected() {
  if (protocol === 'ws:') {
    const socket = new WebSocket(url, 'mqtt', { perMessageDeflate: false });
    await happened(socket, 'open');
    return createWebSocketStream(socket);
  }
  const stream =
    protocol === 'mqtts:'
      ? connectTls({ host, port, rejectUnauthorized: false })
      : connectTcp({ host, port, noDelay: true });
  await happened(stream, protocol === 'mqtts:' ? 'secureConnect' : 'connect');
  stream.setNoDelay(true);
  return stream;
}

const happened = (emitter, event) =>
  new Promise((resolve, reject) => emitter.once(event, resolve).once('error', reject));

/** Sends a packet, and reads its answer, behind which nothing comes. */
const answered = (stream, packet, length) =>
  new Promise((resolve) => {
    let missing = length;
    const take = (chunk) => {
      missing -= chunk.length;
      if (missing > 0) return;
      stream.off('data', take).pause();
      resolve();
    };
    stream.on('data', take).resume().write(packet);
  });

/** Seconds of CPU that a process has used, all its threads together. */
function cpuOf(process) {
  const fields = readFileSync(`/proc/${process}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Of all cores. */
function machineCpu() {
  const [user, nice, system, , , irq, softirq] = readFileSync('/proc/stat', 'utf8')
    .split('\n')[0]
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return (user + nice + system + irq + softirq) / 100;
}

const wait = (s) => new Promise((resolve) => setTimeout(resolve, s * 1000));
const now = () => ({
  at: performance.now() / 1000,
  received: totals.received,
  broker: cpuOf(pid),
  own: cpuOf('self'),
  all: machineCpu(),
});

let isRunning = true;
const all = Array.from({ length: pairs }, (_, number) => new Pair(number));
for (const [number, pair] of all.entries()) await pair.open(number);
for (const pair of all) pair.send(perPair);
await wait(warmup);
const begin = now();
await wait(seconds);
const end = now();
isRunning = false;
// What is on its way arrives.
for (let before = -1; before !== totals.received; before = totals.received, await wait(0.2));
const sent = all.reduce((sum, { nextSequence }) => sum + nextSequence, 0);
const lost = totals.lost + all.reduce((sum, { nextSequence, expected }) => sum + nextSequence - expected, 0);
const [elapsed, messages, broker, own] = [
  end.at - begin.at,
  end.received - begin.received,
  end.broker - begin.broker,
  end.own - begin.own,
];
console.log(
  JSON.stringify({
    msgs_per_s: messages / elapsed,
    msgs_per_broker_cpu_s: messages / broker,
    loadgen_util: own / elapsed,
    other_cpu: end.all - begin.all - broker - own,
    sent,
    lost,
    dup: 0,
    reordered: totals.reordered,
    ok: lost === 0 && totals.reordered === 0 && totals.corrupt === 0 ? 1 : 0,
  }),
);
// Ended as is proper: a broker may log what is not.
for (const { publisher, subscriber } of all) for (const stream of [publisher, subscriber]) stream.end();
await wait(0.2);
process.exit();
