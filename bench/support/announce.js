import { once } from 'node:events';

/** A server of a process of its own takes a free port and says which; it does not outlive who started it. */
export async function announce(server) {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  console.log(`ready port=${server.address().port}`);
  process.stdin.resume().on('end', () => process.exit());
}
