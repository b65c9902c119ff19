// A node of Aedes as a process of its own, with the parts that its documentation names for several nodes around a Redis.
import { once } from 'node:events';
import { createServer } from 'node:net';
import { Aedes } from 'aedes';
import persistence from 'aedes-persistence-redis';
import emitter from 'mqemitter-redis';

const redis = { host: '127.0.0.1', ...JSON.parse(process.argv[2]) };
const broker = await Aedes.createBroker({ mq: emitter(redis), persistence: persistence(redis) });
// As documented, with Nagle's algorithm as Node has it: without, Aedes delivers less at QoS 0 and no more at QoS 1.
const server = createServer(broker.handle).listen(0, '127.0.0.1');
await once(server, 'listening');
console.log(`ready port=${server.address().port}`);

// It does not outlive who started it.
process.stdin.resume().on('end', () => process.exit());
