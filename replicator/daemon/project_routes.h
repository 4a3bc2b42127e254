#pragma once

#include "net/engine_host.h"
#include "replicator/daemon/project_keeper.h"
#include "serve/router.h"

namespace holdfast::replicator {

/// Adds to the admin port:
///   GET    /projects        what is hosted, by discovery key; project keys are secrets and never shown
///   POST   /projects        {"key": CORE_KEY}: 201, or 200 if it was hosted already
///   DELETE /projects/{key}  204, or 404; what is stored stays on disk. Also DELETE /projects with {"key": CORE_KEY}
/// Everything is borrowed and must outlive the router.
void add_project_routes(Router& router, ProjectKeeper& keeper, Projects const& projects,
                        net::EngineHost& host);

}  // namespace holdfast::replicator
