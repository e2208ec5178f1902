using System.Text.RegularExpressions;
using BillingMigration.Simulation;

namespace BillingMigration.Torture;

/// <summary>Looks for a smaller trial that finds the same: fewer calls, clients and processes, and only the troubles that it needs.</summary>
internal sealed partial class StoreShrink(string[] shapes, int mostTrials, TextWriter log)
{
    private int trials;

    /// <param name="found">A trial with violations.</param>
    /// <param name="violations">Its violations; a smaller trial has one of the same shape.</param>
    /// <param name="mostTrials">Trials until it is content with what it has.</param>
    /// <param name="log">Told each smaller trial.</param>
    public static StoreTortureOptions Run(StoreTortureOptions found, IReadOnlyList<string> violations, int mostTrials, TextWriter log) =>
        new StoreShrink([.. violations.Select(Shape)], mostTrials, log).Shrink(found);

    private StoreTortureOptions Shrink(StoreTortureOptions smallest)
    {
        for (var before = smallest with { Seed = -1 }; before != smallest && trials < mostTrials;)
        {
            before = smallest;
            smallest = Calls(smallest);
            foreach (var simpler in Simpler)
            {
                smallest = Try(simpler(smallest)) ?? smallest;
            }

            foreach (var trouble in SimulationOptions.Troubles)
            {
                smallest = Try(smallest with { Without = smallest.Without.Add(trouble) }) ?? smallest;
            }

            smallest = Skips(smallest);
        }

        return smallest;
    }

    private static readonly Func<StoreTortureOptions, StoreTortureOptions>[] Simpler =
    [
        o => o with { Kills = false },
        o => o with { LargeAccount = 3 },
        o => o with { Processes = 2 },
        o => o with { Processes = 1 },
        o => o with { Clients = 2 },
        o => o with { Clients = 1 },
    ];

    private StoreTortureOptions Calls(StoreTortureOptions smallest)
    {
        for (var cut = smallest.Calls / 2; cut > 0; cut /= 2)
        {
            while (smallest.Calls > cut && Try(smallest with { Calls = smallest.Calls - cut }) is { } fewer)
            {
                smallest = fewer;
            }
        }

        return smallest;
    }

    /// <summary>Leaves out calls, many at once first.</summary>
    private StoreTortureOptions Skips(StoreTortureOptions smallest)
    {
        for (var size = smallest.Calls / 2; size > 0; size /= 2)
        {
            foreach (var part in Enumerable.Range(1, smallest.Calls).Except(smallest.Skip).Chunk(size).ToArray())
            {
                smallest = Try(smallest with { Skip = smallest.Skip.Union(part) }) ?? smallest;
            }
        }

        return smallest;
    }

    /// <returns>Null: it finds something else, or nothing, or is not smaller.</returns>
    private StoreTortureOptions? Try(StoreTortureOptions smaller)
    {
        if (trials >= mostTrials)
        {
            return null;
        }

        trials++;
        if (!StoreTorture.Run(smaller with { Trace = null }).Violations.Select(Shape).Intersect(shapes).Any())
        {
            return null;
        }

        log.WriteLine($"trial {trials}: {smaller.Arguments}");
        return smaller;
    }

    private static string Shape(string violation) => Numbers().Replace(violation, "");

    [GeneratedRegex(@"[0-9]+")]
    private static partial Regex Numbers();
}
