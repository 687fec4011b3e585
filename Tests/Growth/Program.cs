using Orleans.Raft.Growth;

return await GrowthProgram.RunAsync(args, (directory, clients) =>
    new EmbeddedGrowthHost(Path.Combine(directory, "data"), clients));
