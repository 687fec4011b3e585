using Microsoft.Extensions.DependencyInjection;
using Orleans.Storage;

namespace Orleans.Raft.Grains;

/// <summary>What the registry keeps in its grain storage.</summary>
[GenerateSerializer, Alias("Orleans.Raft.SlotRegistryState")]
internal sealed class SlotRegistryState
{
    [Id(0)]
    public SlotTable Table { get; set; } = SlotTable.Empty;
}

/// <summary>The one row that the registries of all silos read and write; who did not read it last cannot.</summary>
internal sealed class SlotTableStore(IServiceProvider services)
{
    private const string StateName = "slots";

    private static readonly GrainId s_row =
        GrainId.Create(GrainType.Create("slotregistry"), GrainIdKeyExtensions.CreateIntegerKey(0));

    private readonly IGrainStorage _storage =
        services.GetRequiredKeyedService<IGrainStorage>(OrleansRaftOptions.SlotStorage);
    private readonly GrainState<SlotRegistryState> _row = new(new SlotRegistryState());

    public async Task<SlotTable> ReadAsync()
    {
        await _storage.ReadStateAsync(StateName, s_row, _row);
        return _row.State?.Table ?? SlotTable.Empty;
    }

    /// <exception cref="InconsistentStateException">Another one has written since this one read.</exception>
    public Task WriteAsync(SlotTable table)
    {
        _row.State = new SlotRegistryState { Table = table };
        return _storage.WriteStateAsync(StateName, s_row, _row);
    }
}
