namespace Orleans.Raft.Storage.PostgreSql;

/// <summary>
/// The SQL of one slot. Numbers that are unsigned here are stored as signed ones of the same bits. Group, index and
/// number of what is stored are all far below where that matters.
/// </summary>
internal sealed class SlotSql(string schema)
{
    // What the function `flush` answers.
    public const int Applied = 1;
    public const int Fenced = 2;
    public const int AppliedBefore = 3;
    public const int Unsafe = 4;

    private readonly string _schema = $"\"{schema}\"";

    /// <summary>The version of the tables that this program makes and reads.</summary>
    public static int Format { get; } = new SlotSql("any").Steps.Count;

    /// <summary>What brings the tables to version 1, 2, ... A step that was released is never changed: a later one
    /// follows it.</summary>
    public IReadOnlyList<string> Steps => [Create];

    /// <summary>What a connection is asked before anything else.</summary>
    public static string Settings =>
        """
        select current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_commit'),
            current_setting('synchronous_standby_names'), pg_is_in_recovery(),
            current_setting('transaction_read_only'), (select system_identifier from pg_control_system()),
            case when pg_is_in_recovery() then 0
                else ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::integer end
        """;

    /// <summary>So that changes of the server's configuration do not change a connection that was checked, and plans
    /// made
    /// while tables were small do not stay when they have grown.</summary>
    public static string Pin =>
        """
        select set_config('synchronous_commit', current_setting('synchronous_commit'), false),
            set_config('enable_seqscan', 'off', false), set_config('jit', 'off', false)
        """;

    public static string SchemaExists => "select count(*) from pg_namespace where nspname = $1";

    /// <summary>Connections of earlier openings: one whose host vanished in the middle of a flush would hold it
    /// up.</summary>
    public static string EndOthers =>
        """
        select count(pg_terminate_backend(pid)) from pg_stat_activity
        where datname = current_database() and usename = current_user and application_name = $1
            and pid <> pg_backend_pid()
        """;

    public string Identity => $"select format, store_id, system_identifier, timeline from {_schema}.store";

    public string ReadFormat => $"select format from {_schema}.store";

    public string WriteFormat => $"update {_schema}.store set format = $1";

    /// <summary>One at a time makes or upgrades the tables of a slot.</summary>
    public static string LockTables => "select pg_advisory_xact_lock(hashtextextended($1, 0))";

    public string Accept => $"update {_schema}.store set system_identifier = $1, timeline = $2";

    public string TakeIncarnation =>
        $"update {_schema}.opening set incarnation = incarnation + 1 returning incarnation";

    public string DeleteUnrecorded =>
        $"""
        delete from {_schema}.snapshot_chunk c
        where c.incarnation < $1 and exists (select from {_schema}.opening where incarnation = $1)
            and not exists (select from {_schema}.replica r
                where r.snapshot_incarnation = c.incarnation and r.snapshot_number = c.snapshot)
        """;

    public string ReadOpening => $"select incarnation, last_flush from {_schema}.opening";

    public string ReadFormation => $"select data, checksum from {_schema}.formation";

    public string ReadReplicas => $"select {ReplicaColumns} from {_schema}.replica order by group_id";

    public string ReadEntries =>
        $"select group_id, index, term, kind, data, checksum from {_schema}.entry order by group_id, index";

    public string ReadChunkCounts =>
        $"""
        select incarnation, snapshot, count(*), sum(octet_length(data)) from {_schema}.snapshot_chunk
        group by incarnation, snapshot
        """;

    public string Flush => $"select {_schema}.flush({string.Join(", ", Enumerable.Range(1, 28).Select(i => $"${i}"))})";

    public string Confirm => $"select 1 from {_schema}.opening where incarnation = $1";

    /// <summary>With synchronous standbys: the transaction ends only when one has it, so that this server was none that
    /// had been replaced unnoticed.</summary>
    public string ConfirmWithStandby =>
        $"""
        select 1 from {_schema}.opening, pg_logical_emit_message(true, 'orleans-raft', '') where incarnation = $1
        """;

    public string WriteChunk =>
        $"""
        insert into {_schema}.snapshot_chunk (incarnation, snapshot, number, data, checksum)
        select $2, $3, $4, $5, $6 from {_schema}.opening where incarnation = $1
        on conflict (incarnation, snapshot, number) do update set data = excluded.data, checksum = excluded.checksum
        """;

    public string ReadChunk =>
        $"""
        select data, checksum from {_schema}.snapshot_chunk where incarnation = $1 and snapshot = $2 and number = $3
        """;

    public string DeleteSnapshot =>
        $"""
        with current as (select from {_schema}.opening where incarnation = $1), gone as (
            delete from {_schema}.snapshot_chunk
            where incarnation = $2 and snapshot = $3 and exists (select from current))
        select count(*) from current
        """;

    public string Drop => $"drop schema {_schema} cascade";

    /// <summary>Makes schema, tables and the function.</summary>
    private string Create =>
        $"""
        create schema {_schema};
        create table {_schema}.store (
            one boolean primary key default true check (one), format integer not null, store_id uuid not null,
            system_identifier bigint not null, timeline integer not null);
        create table {_schema}.opening (
            one boolean primary key default true check (one), incarnation bigint not null, last_flush bigint not null)
            with (fillfactor = 10);
        create table {_schema}.formation (
            one boolean primary key default true check (one), data bytea not null, checksum integer not null);
        create table {_schema}.replica (
            group_id bigint primary key, incarnation bigint not null, replica_id bigint not null,
            removed_id bigint not null, term bigint not null, vote bigint not null, commit_index bigint not null,
            snapshot_index bigint, snapshot_term bigint, snapshot_bytes bigint, snapshot_checksum integer,
            snapshot_incarnation bigint, snapshot_number integer, snapshot_chunk_bytes integer,
            checksum integer not null) with (fillfactor = 50);
        create table {_schema}.entry (
            group_id bigint, index bigint, term bigint not null, kind smallint not null, data bytea not null,
            checksum integer not null, primary key (group_id, index)) with (toast_tuple_target = 8160);
        create table {_schema}.snapshot_chunk (
            incarnation bigint, snapshot integer, number integer, data bytea not null, checksum integer not null,
            primary key (incarnation, snapshot, number));
        alter table {_schema}.entry alter column data set storage external;
        alter table {_schema}.snapshot_chunk alter column data set storage external;
        insert into {_schema}.opening (incarnation, last_flush) values (0, 0);
        {CreateFlush}
        """;

    public string InsertStore =>
        $"insert into {_schema}.store (format, store_id, system_identifier, timeline) values ($1, $2, $3, $4)";

    private static string ReplicaColumns =>
        """
        group_id, incarnation, replica_id, removed_id, term, vote, commit_index, snapshot_index, snapshot_term,
            snapshot_bytes, snapshot_checksum, snapshot_incarnation, snapshot_number, snapshot_chunk_bytes, checksum
        """;

    /// <summary>
    /// The first statement locks the row that every flush and every opening changes, and finds out who comes late. What
    /// was applied before is written to once more: its first transaction may have ended without waiting for a standby,
    /// and this one waits for all before it.
    /// </summary>
    private string CreateFlush =>
        $"""
        create function {_schema}.flush(
            own_incarnation bigint, number bigint,
            d_group bigint[], d_first bigint[], d_last bigint[],
            r_group bigint[], r_incarnation bigint[], r_replica bigint[], r_removed bigint[], r_term bigint[],
            r_vote bigint[], r_commit bigint[], r_index bigint[], r_snapshot_term bigint[], r_bytes bigint[],
            r_content integer[], r_snapshot_incarnation bigint[], r_number integer[], r_chunk_bytes integer[],
            r_checksum integer[],
            e_group bigint[], e_index bigint[], e_term bigint[], e_kind smallint[], e_data bytea[],
            e_checksum integer[], f_data bytea, f_checksum integer)
        returns integer language plpgsql as $flush$
        declare
            stored record;
        begin
            if current_setting('fsync') <> 'on' or current_setting('full_page_writes') <> 'on'
                or current_setting('synchronous_commit') = 'off' then
                return {Unsafe};
            end if;
            update {_schema}.opening set last_flush = number
                where incarnation = own_incarnation and last_flush = number - 1;
            if not found then
                select incarnation, last_flush into stored from {_schema}.opening;
                if stored.incarnation <> own_incarnation then
                    return {Fenced};
                end if;
                if stored.last_flush <> number then
                    raise exception 'flush % came after %', number, stored.last_flush using errcode = '22023';
                end if;
                update {_schema}.opening set last_flush = number where incarnation = own_incarnation;
                return {AppliedBefore};
            end if;
            for i in 1 .. cardinality(d_group) loop
                delete from {_schema}.entry where group_id = d_group[i] and index between d_first[i] and d_last[i];
            end loop;
            if cardinality(r_group) > 0 then
                insert into {_schema}.replica as old ({ReplicaColumns})
                select * from unnest(r_group, r_incarnation, r_replica, r_removed, r_term, r_vote, r_commit, r_index,
                    r_snapshot_term, r_bytes, r_content, r_snapshot_incarnation, r_number, r_chunk_bytes, r_checksum)
                on conflict (group_id) do update set incarnation = excluded.incarnation,
                    replica_id = excluded.replica_id, removed_id = excluded.removed_id, term = excluded.term,
                    vote = excluded.vote, commit_index = excluded.commit_index,
                    snapshot_index = excluded.snapshot_index, snapshot_term = excluded.snapshot_term,
                    snapshot_bytes = excluded.snapshot_bytes, snapshot_checksum = excluded.snapshot_checksum,
                    snapshot_incarnation = excluded.snapshot_incarnation, snapshot_number = excluded.snapshot_number,
                    snapshot_chunk_bytes = excluded.snapshot_chunk_bytes, checksum = excluded.checksum;
            end if;
            if cardinality(e_group) > 0 then
                insert into {_schema}.entry (group_id, index, term, kind, data, checksum)
                select * from unnest(e_group, e_index, e_term, e_kind, e_data, e_checksum);
            end if;
            if f_data is not null then
                insert into {_schema}.formation (data, checksum) values (f_data, f_checksum)
                on conflict (one) do update set data = excluded.data, checksum = excluded.checksum;
            end if;
            return {Applied};
        end
        $flush$;
        """;
}
