import { Module } from '@nestjs/common';
import { MQTTdModule } from 'nestjs-mqttd';
import { SensorsController } from './sensors.controller.js';

@Module({
  imports: [
    MQTTdModule.forRoot({
      host: process.env.MQTT_HOST,
      port: Number(process.env.MQTT_PORT ?? 1883),
    }),
  ],
  controllers: [SensorsController],
})
export class AppModule {}
