import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startAedesAlone, startOursAlone } from './brokers.js';
import { Program, cores } from './program.js';
import { freePort, untilListening } from './ports.js';

/** Brokers with everything in memory, by name. */
export const peers = { 'nestjs-mqttd': startOursAlone, Mosquitto: startMosquitto, Aedes: startAedesAlone };

export const hasMosquitto = () => !spawnSync('mosquitto', ['-h']).error;

/** With bounds that do not make it drop what the others keep. */
const configuration = (port) => `listener ${port} 127.0.0.1
allow_anonymous true
persistence false
set_tcp_nodelay true
max_inflight_messages 1000
max_queued_messages 0
log_type error
`;

async function startMosquitto() {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), 'mqttd-bench-'));
  const file = join(folder, 'mosquitto.conf');
  writeFileSync(file, configuration(port));
  const program = new Program(cores.brokers, 'mosquitto', ['-c', file]);
  await untilListening(port, program);
  rmSync(folder, { recursive: true });
  return { port, pid: program.pid, stop: () => program.stop() };
}
