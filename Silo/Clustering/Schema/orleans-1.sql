-- What Orleans' ADO.NET providers for clustering and grain storage need. They know one name, the table of queries; what
-- those do is up to this file. A parameter (@...) is the providers'; columns of results go by name.

create table orleansquery
(
    querykey text primary key,
    querytext text not null
);

-- One row per cluster: each change of its silos raises the version, and only who knows the latest one may change them.
create table orleans_raft_cluster
(
    cluster_id text primary key,
    version integer not null default 0
);

create table orleans_raft_silo
(
    cluster_id text not null references orleans_raft_cluster,
    address text not null,
    port integer not null,
    generation integer not null,
    silo_name text not null,
    host_name text not null,
    status integer not null,
    gateway_port integer not null,
    suspicions text,
    started timestamptz not null,
    alive timestamptz not null,
    primary key (cluster_id, address, port, generation)
);

-- A grain is named by its type, two numbers and a text, of which some are zero or empty.
create table orleans_raft_grain_state
(
    service_id text not null,
    grain_type text not null,
    key_high bigint not null,
    key_low bigint not null,
    key_text text not null,
    version integer not null,
    payload bytea,
    changed timestamptz not null,
    primary key (service_id, grain_type, key_high, key_low, key_text)
);

insert into orleansquery (querykey, querytext) values
('InsertMembershipVersionKey', $$
with added as
(
    insert into orleans_raft_cluster (cluster_id) values (@DeploymentId)
    on conflict do nothing
    returning cluster_id
)
select exists (select from added)
$$),

-- Without a silo there is still one row, with the version alone.
('MembershipReadAllKey', $$
select s.address as Address, s.port as Port, s.generation as Generation, s.silo_name as SiloName,
    s.host_name as HostName, s.status as Status, s.gateway_port as ProxyPort, s.suspicions as SuspectTimes,
    s.started as StartTime, s.alive as IAmAliveTime, c.version as Version
from orleans_raft_cluster c left join orleans_raft_silo s using (cluster_id)
where cluster_id = @DeploymentId
$$),

('MembershipReadRowKey', $$
select s.address as Address, s.port as Port, s.generation as Generation, s.silo_name as SiloName,
    s.host_name as HostName, s.status as Status, s.gateway_port as ProxyPort, s.suspicions as SuspectTimes,
    s.started as StartTime, s.alive as IAmAliveTime, c.version as Version
from orleans_raft_cluster c left join orleans_raft_silo s
    on s.cluster_id = c.cluster_id and s.address = @Address and s.port = @Port and s.generation = @Generation
where c.cluster_id = @DeploymentId
$$),

-- Who waits for the cluster's row sees its new version, and changes nothing.
('InsertMembershipKey', $$
with raised as
(
    update orleans_raft_cluster set version = version + 1
    where cluster_id = @DeploymentId and version = @Version and not exists
    (
        select from orleans_raft_silo
        where cluster_id = @DeploymentId and address = @Address and port = @Port and generation = @Generation
    )
    returning cluster_id
),
added as
(
    insert into orleans_raft_silo
        (cluster_id, address, port, generation, silo_name, host_name, status, gateway_port, started, alive)
    select cluster_id, @Address, @Port, @Generation, @SiloName, @HostName, @Status, @ProxyPort, @StartTime, @IAmAliveTime
    from raised
    returning cluster_id
)
select exists (select from added)
$$),

('UpdateMembershipKey', $$
with raised as
(
    update orleans_raft_cluster set version = version + 1
    where cluster_id = @DeploymentId and version = @Version and exists
    (
        select from orleans_raft_silo
        where cluster_id = @DeploymentId and address = @Address and port = @Port and generation = @Generation
    )
    returning cluster_id
),
changed as
(
    update orleans_raft_silo s set status = @Status, suspicions = @SuspectTimes, alive = @IAmAliveTime
    from raised
    where s.cluster_id = raised.cluster_id and address = @Address and port = @Port and generation = @Generation
    returning s.cluster_id
)
select exists (select from changed)
$$),

-- To be alive is no change.
('UpdateIAmAlivetimeKey', $$
update orleans_raft_silo set alive = @IAmAliveTime
where cluster_id = @DeploymentId and address = @Address and port = @Port and generation = @Generation
$$),

-- 6: dead.
('CleanupDefunctSiloEntriesKey', $$
delete from orleans_raft_silo
where cluster_id = @DeploymentId and status = 6 and alive < @IAmAliveTime and started < @IAmAliveTime
$$),

('DeleteMembershipTableEntriesKey', $$
with emptied as (delete from orleans_raft_silo where cluster_id = @DeploymentId)
update orleans_raft_cluster set version = version + 1 where cluster_id = @DeploymentId
$$),

('GatewaysQueryKey', $$
select address as Address, gateway_port as ProxyPort, generation as Generation
from orleans_raft_silo
where cluster_id = @DeploymentId and status = @Status and gateway_port > 0
$$),

('ReadFromStorageKey', $$
select payload as PayloadBinary, version as Version
from orleans_raft_grain_state
where service_id = @ServiceId and grain_type = @GrainTypeString and key_high = @GrainIdN0 and key_low = @GrainIdN1
    and key_text = coalesce(@GrainIdExtensionString, '')
$$),

-- No row of the result says that the version is another one.
('WriteToStorageKey', $$
with replaced as
(
    update orleans_raft_grain_state set payload = @PayloadBinary, version = version + 1, changed = now()
    where service_id = @ServiceId and grain_type = @GrainTypeString and key_high = @GrainIdN0 and key_low = @GrainIdN1
        and key_text = coalesce(@GrainIdExtensionString, '') and version = @GrainStateVersion
    returning version
),
added as
(
    insert into orleans_raft_grain_state
        (service_id, grain_type, key_high, key_low, key_text, version, payload, changed)
    select @ServiceId, @GrainTypeString, @GrainIdN0, @GrainIdN1, coalesce(@GrainIdExtensionString, ''), 1,
        @PayloadBinary, now()
    where @GrainStateVersion is null
    on conflict do nothing
    returning version
)
select version as NewGrainStateVersion from replaced union all select version from added
$$),

('ClearStorageKey', $$
update orleans_raft_grain_state set payload = null, version = version + 1, changed = now()
where service_id = @ServiceId and grain_type = @GrainTypeString and key_high = @GrainIdN0 and key_low = @GrainIdN1
    and key_text = coalesce(@GrainIdExtensionString, '') and version = @GrainStateVersion
returning version as NewGrainStateVersion
$$),

('DeleteStorageKey', $$
delete from orleans_raft_grain_state
where service_id = @ServiceId and grain_type = @GrainTypeString and key_high = @GrainIdN0 and key_low = @GrainIdN1
    and key_text = coalesce(@GrainIdExtensionString, '') and version = @GrainStateVersion
returning version + 1 as NewGrainStateVersion
$$);
