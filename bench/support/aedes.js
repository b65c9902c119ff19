// A node of Aedes as a process of its own, with the parts that its documentation names for several nodes around a Redis.
import { createServer } from 'node:net';
import { Aedes } from 'aedes';
import persistence from 'aedes-persistence-redis';
import emitter from 'mqemitter-redis';
import { announce } from './announce.js';

const redis = { host: '127.0.0.1', ...JSON.parse(process.argv[2]) };
const broker = await Aedes.createBroker({ mq: emitter(redis), persistence: persistence(redis) });
// As documented, with Nagle's algorithm as Node has it: without, Aedes delivers less at QoS 0 and no more at QoS 1.
await announce(createServer(broker.handle));
