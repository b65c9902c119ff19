// Aedes as a process of its own that keeps sessions on disk, with the part that its documentation names for that.
import { once } from 'node:events';
import { createServer } from 'node:net';
import { Aedes } from 'aedes';
import persistence from 'aedes-persistence-level';
import { Level } from 'level';

const { path } = JSON.parse(process.argv[2]);
const broker = await Aedes.createBroker({ persistence: persistence(new Level(path)) });
const server = createServer(broker.handle).listen(0, '127.0.0.1');
await once(server, 'listening');
console.log(`ready port=${server.address().port}`);

// It does not outlive who started it.
process.stdin.resume().on('end', () => process.exit());
