import { Module } from '@nestjs/common';
import { MQTTdModule } from 'nestjs-mqttd';
import { HealthController } from './health.controller.js';
import { SensorsController } from './sensors.controller.js';

@Module({
  imports: [
    MQTTdModule.forRoot({
      port: Number(process.env.MQTT_PORT),
      redis: { url: process.env.REDIS_URL, keyPrefix: 'two-nodes', nodeId: process.env.NODE_NAME },
    }),
  ],
  controllers: [SensorsController, HealthController],
})
export class AppModule {}
