import { spawnSync } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startAedesAlone, startOursAlone } from './brokers.js';
import { withFolder } from './folder.js';
import { Program, cores } from './program.js';
import { freePort, untilListening } from './ports.js';

/** Brokers with everything in memory, by name; each may be told `{ scheme: 'mqtt' | 'mqtts' | 'ws', certificate }`. */
export const peers = { 'nestjs-mqttd': startOursAlone, Mosquitto: startMosquitto, Aedes: startAedesAlone };

export const hasMosquitto = () => !spawnSync('mosquitto', ['-h']).error;

/** Not over WebSocket. */
async function startMosquitto({ scheme, certificate } = {}) {
  const lines = [
    ...(scheme === 'mqtts' ? [`certfile ${certificate.certFile}`, `keyfile ${certificate.keyFile}`] : []),
    'persistence false',
  ];
  return startConfigured(lines);
}

/** It writes its sessions on a timer, which is half an hour as it comes, and when it is stopped. */
export function startMosquittoOnDisk(folder) {
  // Started by root it is somebody else.
  chmodSync(folder, 0o777);
  return startConfigured(['persistence true', `persistence_location ${folder}/`]);
}

/** With bounds that do not make it drop what the others keep. */
async function startConfigured(lines) {
  const port = await freePort();
  const configuration = [
    `listener ${port} 127.0.0.1`,
    ...lines,
    'allow_anonymous true',
    'set_tcp_nodelay true',
    'max_inflight_messages 1000',
    'max_queued_messages 0',
    'log_type error',
  ];
  return withFolder(async (folder) => {
    const file = join(folder, 'mosquitto.conf');
    writeFileSync(file, `${configuration.join('\n')}\n`);
    const program = new Program(cores.brokers, 'mosquitto', ['-c', file]);
    await untilListening(port, program);
    return { port, pid: program.pid, stop: () => program.stop() };
  });
}
