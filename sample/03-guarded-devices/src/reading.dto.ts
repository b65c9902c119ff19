import { IsISO8601, IsNumber, IsOptional, Max, Min } from 'class-validator';

export class ReadingDto {
  @IsNumber()
  @Min(-40)
  @Max(85)
  celsius!: number;

  @IsOptional()
  @IsISO8601()
  at?: string;
}
