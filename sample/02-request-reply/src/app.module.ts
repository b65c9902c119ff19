import { Module } from '@nestjs/common';
import { MQTTdModule } from 'nestjs-mqttd';
import { CalculatorController } from './calculator.controller.js';
import { DevicesController } from './devices.controller.js';

@Module({
  imports: [MQTTdModule.forRoot({ host: process.env.MQTT_HOST, port: Number(process.env.MQTT_PORT ?? 1883) })],
  controllers: [CalculatorController, DevicesController],
})
export class AppModule {}
