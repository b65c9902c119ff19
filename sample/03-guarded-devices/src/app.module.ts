import { Module } from '@nestjs/common';
import { MQTTdModule } from 'nestjs-mqttd';
import { DeviceAuth } from './device.auth.js';
import { Devices } from './devices.js';
import { DevicesModule } from './devices.module.js';
import { ReadingsController } from './readings.controller.js';

@Module({
  imports: [
    DevicesModule,
    MQTTdModule.forRoot({
      host: process.env.MQTT_HOST,
      port: Number(process.env.MQTT_PORT ?? 1883),
      imports: [DevicesModule],
      auth: { useFactory: (devices: Devices) => new DeviceAuth(devices), inject: [Devices] },
    }),
  ],
  controllers: [ReadingsController],
})
export class AppModule {}
