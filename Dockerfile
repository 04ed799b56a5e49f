# syntax=docker/dockerfile:1
# One image for the API and the worker: CMD serves, and `node dist/apps/worker/src/main.js` runs a worker. Debian, since ONNX
# Runtime and PostgreSQL come as programs for glibc. To pin the base, give its digest: --build-arg NODE_IMAGE=node@sha256:…
ARG NODE_IMAGE=node:24.21.0-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /quayside
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json nest-cli.json ./
COPY scripts scripts
COPY libs libs
COPY apps apps
RUN npm run build

FROM ${NODE_IMAGE} AS packages
WORKDIR /quayside
ENV ONNXRUNTIME_NODE_INSTALL=skip
COPY package.json package-lock.json .npmrc ./
# ONNX Runtime comes for every platform, and Node.js is in the image already: without them it is 0.4 GB smaller.
RUN npm ci --omit=dev \
  && find node_modules/onnxruntime-node/bin -mindepth 3 -maxdepth 3 -not -path "*/linux/$(node -p process.arch)" -exec rm -r {} + \
  && rm -rf node_modules/node-linux-* node_modules/.bin

FROM ${NODE_IMAGE}
WORKDIR /quayside
# 5 s of grace: what sends requests here needs that long to learn that this container is going. The allocator gives memory
# back early.
ENV NODE_ENV=production \
  TZ=UTC \
  MALLOC_TRIM_THRESHOLD_=131072 \
  HTTP_HOST=0.0.0.0 \
  DATA_DIR=/data \
  SHUTDOWN_GRACE_MS=5000
COPY --from=packages /quayside/node_modules node_modules
COPY --from=build /quayside/dist dist
COPY package.json LICENSE ./
COPY models models
COPY features features
COPY scripts/jobs.mjs scripts/
COPY scripts/jobs scripts/jobs
# All that is ever written. A new volume takes over whose it is; PostgreSQL wants its folder closed to others.
RUN install --directory --owner=1000 --group=1000 --mode=0700 /data
VOLUME /data
USER 1000:1000
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + (process.env.HTTP_PORT || 8080) + '/health').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "dist/apps/api/src/main.js"]
