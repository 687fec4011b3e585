using Orleans.Raft.Core;
using Orleans.Raft.Storage;
using Orleans.Raft.Storage.PostgreSql;

namespace Orleans.Raft.Silo;

/// <summary>The databases of the slots: opened by whoever hosts a slot, prepared by an operator's commands.</summary>
internal sealed class SlotDatabases(IReadOnlyList<Slot> slots)
{
    /// <summary>Opens a slot; whoever had it open can do nothing any more.</summary>
    public async Task<INodeStorage> OpenAsync(NodeName name, StorageContext context) => await DatabaseStorage.OpenAsync(
        new PostgresSlotDatabase(OptionsOf(Find(name.Value))), new DatabaseStorageOptions
        {
            Scheduler = context.Scheduler,
            Time = context.Time,
            Logger = context.Logger,
        });

    /// <summary>Makes the tables of every slot, or brings them up to date; says of each what was done.</summary>
    /// <exception cref="DatabaseException">One could not be made; those before it are.</exception>
    public async IAsyncEnumerable<string> PrepareAsync()
    {
        foreach (Slot slot in slots) yield return await new SlotSchema(OptionsOf(slot)).PrepareAsync(Guid.NewGuid);
    }

    /// <summary>Takes the server that a slot's connection leads to for the slot's own.</summary>
    /// <exception cref="ArgumentException">There is no such slot.</exception>
    public Task<string> AcceptAsync(string name) => new SlotSchema(OptionsOf(Find(name))).AcceptAsync();

    private static PostgresOptions OptionsOf(Slot slot) =>
        new() { ConnectionString = slot.Connection, Slot = slot.Name.Value };

    private Slot Find(string name) => slots.FirstOrDefault(slot => slot.Name.Value == name)
        ?? throw new ArgumentException($"There is no slot {name}; there are "
            + $"{string.Join(", ", slots.Select(slot => slot.Name))}.");
}
