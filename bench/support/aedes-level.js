// Aedes as a process of its own that keeps sessions on disk, with the part that its documentation names for that.
import { createServer } from 'node:net';
import { Aedes } from 'aedes';
import persistence from 'aedes-persistence-level';
import { Level } from 'level';
import { announce } from './announce.js';

const { path } = JSON.parse(process.argv[2]);
const broker = await Aedes.createBroker({ persistence: persistence(new Level(path)) });
await announce(createServer(broker.handle));
