import { FeatureViewStore, FeatureViews, type PushResult, parseEntityKey } from '@app/feature-store';
import { ModelRegistry } from '@app/model-registry';
import { Body, Controller, Delete, Get, HttpCode, Param, Post, UseGuards } from '@nestjs/common';
import { ApiParam } from '@nestjs/swagger';
import { TakesLargeBody } from '../http/body.guard';
import { LoopbackOnlyGuard } from '../http/loopback-only.guard';
import { Operation } from '../openapi/operation';
import { FeatureViewDescriber, pinsOf } from './describe-feature-view';
import {
  ErasedEntity,
  FeatureViewDescription,
  FeatureViewList,
  FeatureViewVersionDescription,
  PushRowsRequest,
  PushRowsResponse,
} from './feature-views.dto';

const View = (): MethodDecorator =>
  ApiParam({ name: 'view', description: 'The feature view.', example: 'applicant_profile' });

const Version = (): MethodDecorator =>
  ApiParam({ name: 'version', description: 'The number of the version.', schema: { type: 'string' }, example: '1' });

const EntityKey = (): MethodDecorator =>
  ApiParam({
    name: 'key',
    description: 'The join key; of several the JSON array of their values, in the order of their names.',
    example: 'a-1001',
  });

/** Feature views, and the rows that are stored of them. */
@Controller('v1/feature-views')
export class FeatureViewsController {
  constructor(
    private readonly views: FeatureViews,
    private readonly store: FeatureViewStore,
    private readonly registry: ModelRegistry,
  ) {}

  /** Every view, in order of its name. */
  @Get()
  @Operation('listFeatureViews')
  async list(): Promise<FeatureViewList> {
    return { object: 'list', data: (await this.describer()).all() };
  }

  /** One view with its versions. */
  @Get(':view')
  @View()
  @Operation('describeFeatureView')
  async describe(@Param('view') name: string): Promise<FeatureViewDescription> {
    this.views.known(name);
    return (await this.describer(name)).view(name);
  }

  /** One version of a view with its schema. */
  @Get(':view/versions/:version')
  @View()
  @Version()
  @Operation('describeFeatureViewVersion')
  async describeVersion(
    @Param('view') name: string,
    @Param('version') version: string,
  ): Promise<FeatureViewVersionDescription> {
    const view = this.views.resolve(`${this.views.known(name).name}@${version}`);
    return (await this.describer(name)).version(view);
  }

  /** Writes rows, each in the place of what is stored of its entity. */
  @Post(':view/rows')
  @HttpCode(200)
  @View()
  @TakesLargeBody()
  @Operation('pushFeatureRows')
  async push(@Param('view') view: string, @Body() body: PushRowsRequest): Promise<PushRowsResponse> {
    const { rows, mode, push_id: pushId } = body;
    return toResponse(await this.store.push(view, { rows, mode, ...(pushId !== undefined && { pushId }) }));
  }

  /** Erases what is stored of an entity, with its history. */
  @Delete(':view/entities/:key')
  @View()
  @EntityKey()
  @UseGuards(LoopbackOnlyGuard)
  @Operation('eraseFeatureEntity')
  async erase(@Param('view') view: string, @Param('key') key: string): Promise<ErasedEntity> {
    const { online, history } = await this.store.erase(view, parseEntityKey(this.views.known(view), key));
    return { online, history };
  }

  /** Counts the rows of one view where no other is described. */
  private async describer(view?: string): Promise<FeatureViewDescriber> {
    const statistics = await this.store.statistics(view);
    return new FeatureViewDescriber({ views: this.views, pins: pinsOf(this.registry.list()), statistics });
  }
}

function toResponse({ pushId, written, skippedOlder, rejected }: PushResult): PushRowsResponse {
  return { push_id: pushId, written, skipped_older: skippedOlder, rejected };
}
