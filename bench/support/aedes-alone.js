// Aedes as a process of its own, with everything in memory, as its documentation starts it.
import { once } from 'node:events';
import { createServer } from 'node:net';
import { Aedes } from 'aedes';

const broker = await Aedes.createBroker();
const server = createServer(broker.handle).listen(0, '127.0.0.1');
await once(server, 'listening');
console.log(`ready port=${server.address().port}`);

// It does not outlive who started it.
process.stdin.resume().on('end', () => process.exit());
