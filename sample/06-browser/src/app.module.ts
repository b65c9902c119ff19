import { Module } from '@nestjs/common';
import { MQTTdModule } from 'nestjs-mqttd';
import { Room } from './room.js';

/** Devices come by TCP, browsers by WebSocket at `/mqtt` of the HTTP server. */
@Module({
  imports: [
    MQTTdModule.forRoot({
      listeners: [
        { tcp: { port: Number(process.env.MQTT_PORT ?? 1883), host: '127.0.0.1' } },
        { ws: { path: '/mqtt' } },
      ],
    }),
  ],
  controllers: [Room],
})
export class AppModule {}
