import { Controller, Get, ServiceUnavailableException } from '@nestjs/common';
import { MQTTdHealthIndicator } from 'nestjs-mqttd';

@Controller('health')
export class HealthController {
  constructor(private readonly indicator: MQTTdHealthIndicator) {}

  @Get()
  check() {
    const health = this.indicator.check();
    if (health.mqtt.status === 'down') throw new ServiceUnavailableException(health);
    return health;
  }
}
