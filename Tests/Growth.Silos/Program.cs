using Orleans.Raft.Growth;
using Orleans.Raft.Growth.Silos;

return await GrowthProgram.RunAsync(args, (directory, clients) => new SilosGrowthHost(directory, clients));
