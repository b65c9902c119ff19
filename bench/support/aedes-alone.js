// Aedes as a process of its own, with everything in memory, as its documentation starts it: over TCP, TLS or WebSocket.
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { Aedes } from 'aedes';
import { createWebSocketStream, WebSocketServer } from 'ws';
import { announce } from './announce.js';

const { scheme = 'mqtt', certificate } = JSON.parse(process.argv[2]);
const broker = await Aedes.createBroker();
const servers = {
  mqtt: () => createServer(broker.handle),
  mqtts: () => createTlsServer(certificate, broker.handle),
  ws() {
    const http = createHttpServer();
    const sockets = new WebSocketServer({ server: http });
    sockets.on('connection', (socket, request) => broker.handle(createWebSocketStream(socket), request));
    return http;
  },
};
await announce(servers[scheme]());
