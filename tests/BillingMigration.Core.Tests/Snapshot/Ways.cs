using BillingMigration.Definition;
using BillingMigration.Testing.Faults;

namespace BillingMigration.Tests.Snapshot;

/// <summary>A proxy to each side, and the definition that goes through both.</summary>
internal sealed class Ways : IAsyncDisposable
{
    private Ways(FaultProxy source, FaultProxy table, MigrationDefinition definition) => (Source, Table, Definition) = (source, table, definition);

    public FaultProxy Source { get; }

    public FaultProxy Table { get; }

    public MigrationDefinition Definition { get; }

    public static Ways Open(Scenario scenario)
    {
        var definition = scenario.Migration.Definition;
        var source = FaultProxy.Start(definition.Source.Host, definition.Source.Port, ProxiedProtocol.Tcp);
        var table = FaultProxy.Start(scenario.Endpoint.Host, scenario.Endpoint.Port, ProxiedProtocol.Http);
        return new Ways(source, table, definition with
        {
            Source = definition.Source with { Host = "127.0.0.1", Port = source.Port },
            Target = definition.Target with { EndpointUrl = table.Url },
        });
    }

    public void SetSilent(bool silent) => Source.Faults.BlackHole = Table.Faults.BlackHole = silent;

    /// <returns>The timer that ends it.</returns>
    public ITimer SilenceFor(TimeSpan length, TimeProvider time)
    {
        SetSilent(true);
        return time.CreateTimer(_ => SetSilent(false), null, length, Timeout.InfiniteTimeSpan);
    }

    public async ValueTask DisposeAsync()
    {
        await Source.DisposeAsync();
        await Table.DisposeAsync();
    }
}
