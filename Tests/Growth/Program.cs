using Orleans.Raft.Growth;

return await GrowthProgram.RunAsync(args, (directory, plan) =>
    new EmbeddedGrowthHost(Path.Combine(directory, "data"), GrowthRun.AllClients(plan), plan.Verbose));
