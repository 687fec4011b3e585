using Orleans.Raft.PostgreSql;
using Orleans.Raft.Testing;

namespace Orleans.Raft.Storage.PostgreSql.Tests;

/// <summary>What every kind of storage promises, on a real server. The tests of the contract are facts of xunit's own,
/// which know no reason to be skipped: so they are called by one that does.</summary>
public sealed class PostgresContractTests(PostgresFixture fixture) : IClassFixture<PostgresFixture>
{
    private sealed class OnServer(StorageMachine machine) : StorageContract(machine);

    public static TheoryData<string> Tests => [.. typeof(StorageContract).GetMethods()
        .Where(method => method.IsDefined(typeof(FactAttribute), inherit: true)
            && method.GetParameters().Length == 0).Select(method => method.Name)];

    [PostgresTheory]
    [MemberData(nameof(Tests))]
    public async Task What_every_storage_promises_holds_on_a_server(string test)
    {
        PostgresMachine machine = await fixture.MakeSlotAsync();
        var contract = new OnServer(machine);
        typeof(StorageContract).GetMethod(test)!.CreateDelegate<Action>(contract)();
        if (machine.Storage is { } storage) await storage.DisposeAsync();
    }

    [Fact]
    public void The_contract_is_found() => Assert.True(Tests.Count > 15, $"only {Tests.Count} tests");
}
