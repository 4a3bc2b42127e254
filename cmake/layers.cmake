# Who may use whom. This table is the only place where a folder's dependencies are listed;
# tests/lint/check_layering.py holds every #include against it.

# client-sdk, pure
set(holdfast_uses_base "")
set(holdfast_uses_codec holdfast::base)
set(holdfast_uses_crypto holdfast::base PkgConfig::sodium)
set(holdfast_uses_merkle holdfast::codec holdfast::crypto)
set(holdfast_uses_core holdfast::merkle)
set(holdfast_uses_wire holdfast::merkle)
set(holdfast_uses_sync holdfast::core holdfast::wire)
set(holdfast_uses_registration holdfast::codec holdfast::crypto nlohmann_json::nlohmann_json)
# client-sdk, shell
set(holdfast_uses_config holdfast::base CLI11::CLI11 spdlog::spdlog)
set(holdfast_uses_store holdfast::core RocksDB::rocksdb-shared)
set(holdfast_uses_serve holdfast::codec holdfast::crypto nlohmann_json::nlohmann_json PkgConfig::httplib OpenSSL::SSL OpenSSL::Crypto
    Threads::Threads)
set(holdfast_uses_net holdfast::sync holdfast::registration holdfast::store PkgConfig::httplib OpenSSL::SSL
    OpenSSL::Crypto Boost::headers Threads::Threads)
set(holdfast_uses_cli holdfast::net holdfast::config CLI11::CLI11 spdlog::spdlog nlohmann_json::nlohmann_json PkgConfig::httplib)
set(holdfast_uses_holdfast holdfast::cli)

# replicator
set(holdfast_uses_replicator_dialects holdfast::core holdfast::wire)
set(holdfast_uses_replicator_daemon holdfast::replicator_dialects holdfast::net
    holdfast::serve holdfast::config PkgConfig::prometheus_core nlohmann_json::nlohmann_json spdlog::spdlog)
set(holdfast_uses_holdfast-replicator holdfast::replicator_daemon)

# discovery
set(holdfast_uses_discovery_registry holdfast::registration)
set(holdfast_uses_discovery_store holdfast::discovery_registry PkgConfig::hiredis Boost::headers Threads::Threads)
set(holdfast_uses_discovery_probe holdfast::discovery_registry holdfast::wire Boost::headers Threads::Threads)
set(holdfast_uses_discovery_directory holdfast::discovery_registry Threads::Threads)
set(holdfast_uses_discovery_geo holdfast::discovery_registry holdfast::serve PkgConfig::maxminddb Threads::Threads)
set(holdfast_uses_discovery_http holdfast::discovery_directory holdfast::discovery_probe holdfast::serve nlohmann_json::nlohmann_json)
set(holdfast_uses_discovery_server holdfast::discovery_store holdfast::discovery_geo holdfast::discovery_http holdfast::config PkgConfig::prometheus_core CLI11::CLI11
    spdlog::spdlog)
set(holdfast_uses_holdfast-discovery holdfast::discovery_server)

# Folders that are arithmetic on what they are given: no threads, clocks, files, sockets, environment or randomness.
set(holdfast_pure base codec crypto merkle core wire sync registration replicator_dialects
    discovery_registry)
