using Microsoft.Extensions.DependencyInjection;
using Orleans.Hosting;
using Orleans.Raft.Grains;
using Orleans.Runtime;
using Orleans.Runtime.Hosting;
using Orleans.Storage;

namespace Orleans.Raft.Orleans.Tests;

/// <summary>Grain storage that outlives silos, as a database does; it can be made to fail.</summary>
internal sealed class SharedGrainStorage
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, (BinaryData Content, long Version)> _rows = [];

    /// <summary>Whether every call fails.</summary>
    public bool IsLost { get; set; }

    public void AddTo(ISiloBuilder silo) => silo.Services.AddGrainStorage(OrleansRaftOptions.SlotStorage,
        (services, _) => new OfSilo(this, services.GetRequiredService<IGrainStorageSerializer>()));

    /// <summary>Another writer has written the same again: who read before is refused.</summary>
    public void Touch()
    {
        lock (_lock)
            foreach (string key in _rows.Keys.ToArray()) _rows[key] = _rows[key] with { Version = _rows[key].Version + 1 };
    }

    /// <summary>Nothing was ever written.</summary>
    public void Forget()
    {
        lock (_lock) _rows.Clear();
    }

    private sealed class OfSilo(SharedGrainStorage shared, IGrainStorageSerializer serializer) : IGrainStorage
    {
        public Task ReadStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
        {
            lock (shared._lock)
            {
                RequireThere();
                grainState.RecordExists = shared._rows.TryGetValue(Key(stateName, grainId), out var row);
                grainState.ETag = grainState.RecordExists ? $"{row.Version}" : null;
                grainState.State = grainState.RecordExists
                    ? serializer.Deserialize<T>(row.Content)
                    : Activator.CreateInstance<T>();
            }
            return Task.CompletedTask;
        }

        public Task WriteStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
        {
            lock (shared._lock)
            {
                RequireThere();
                string key = Key(stateName, grainId);
                string? etag = shared._rows.TryGetValue(key, out var row) ? $"{row.Version}" : null;
                if (etag != grainState.ETag)
                    throw new InconsistentStateException("Another has written.", etag ?? "", grainState.ETag ?? "");
                shared._rows[key] = (serializer.Serialize(grainState.State), row.Version + 1);
                grainState.ETag = $"{row.Version + 1}";
                grainState.RecordExists = true;
            }
            return Task.CompletedTask;
        }

        public Task ClearStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState) =>
            throw new NotSupportedException();

        private void RequireThere()
        {
            if (shared.IsLost) throw new IOException("The grain storage of this test is lost.");
        }

        private static string Key(string stateName, GrainId grainId) => $"{stateName}/{grainId}";
    }
}
