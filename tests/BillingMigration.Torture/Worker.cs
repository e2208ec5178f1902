using BillingMigration.Testing;

namespace BillingMigration.Torture;

/// <summary>What the processes have in common that are killed, frozen and cut off: they do a user's command and tell their parent how far they are, a line each.</summary>
internal static class Worker
{
    /// <summary>Environment variable of the source's connection string: a command line can be read by everyone.</summary>
    public const string SourceVariable = "TORTURE_SOURCE";

    /// <summary>Exit code of trouble that passes: a user would run the same command again (EX_TEMPFAIL).</summary>
    public const int TryAgain = 75;

    /// <param name="create">Makes the migration of a source and an endpoint.</param>
    /// <param name="args">Endpoint, table, and what the work needs besides.</param>
    /// <param name="work">Returns true when it has done all that it should.</param>
    public static async Task<int> RunAsync(Func<string, Uri, SampleMigration> create, string[] args, Func<MigrationSession, string, Task<bool>> work)
    {
        Say("started");
        if (args is not [var endpoint, var table, var option] || Environment.GetEnvironmentVariable(SourceVariable) is not { } source)
        {
            Console.Error.WriteLine("Workers are started by a torture.");
            return 2;
        }

        try
        {
            await using var migration = create(source, new Uri(endpoint));
            migration.Definition = migration.Definition with { Target = migration.Definition.Target with { Table = table } };
            await using var session = await migration.ConnectAsync();
            Say("connected");
            return await work(session, option) ? 0 : 1;
        }
        catch (MigrationException e)
        {
            Console.Error.WriteLine($"{e.ErrorId}: {e}");
            return e.Kind is MigrationErrorKind.Unreachable or MigrationErrorKind.Busy ? TryAgain : 1;
        }
    }

    public static void Say(string line)
    {
        Console.Out.WriteLine(line);
        Console.Out.Flush();
    }

    public sealed class Lines<T>(Func<T, string> line) : IProgress<T>
    {
        public void Report(T value) => Say(line(value));
    }
}
