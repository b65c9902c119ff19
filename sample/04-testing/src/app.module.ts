import { Module } from '@nestjs/common';
import { MQTTdModule } from 'nestjs-mqttd';
import { DoorsController } from './doors.controller.js';

@Module({
  imports: [MQTTdModule.forRoot({ port: 1883 })],
  controllers: [DoorsController],
})
export class AppModule {}
