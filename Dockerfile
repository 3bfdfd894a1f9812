# syntax=docker/dockerfile:1

# One image for every service; the command picks which:
#   node services/api/dist/main.js
#   node services/worker/dist/main.js
#   node services/migrate/dist/main.js    runs to its end

FROM node:20-slim AS build
WORKDIR /app
COPY . .
# No install script is needed: the compilers ship as platform packages.
RUN --mount=type=cache,target=/root/.npm npm ci --ignore-scripts --no-audit --no-fund
RUN npm run build
# Again, for what the services need to run. Optional packages are the PostgreSQL that a laptop starts by itself; here
# DATABASE_URL names a server.
RUN --mount=type=cache,target=/root/.npm npm ci --ignore-scripts --no-audit --no-fund --omit=dev --omit=optional \
    --workspace=services/api --workspace=services/worker --workspace=services/migrate

FROM node:20-slim
ENV NODE_ENV=production
WORKDIR /app
# A volume that is empty takes its owner from here.
RUN install --directory --owner=node --group=node /var/lib/parley/blobs
# Owned by root, run by node: the process cannot change its own code.
COPY --from=build /app ./
USER node
EXPOSE 8080
CMD ["node", "services/api/dist/main.js"]
