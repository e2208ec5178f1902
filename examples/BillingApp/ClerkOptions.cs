using BillingMigration.Definition;
using BillingMigration.Source;
using BillingMigration.Store;
using BillingMigration.Store.DynamoDb;
using BillingMigration.Store.MySql;
using BillingMigration.Target;

namespace BillingApp;

/// <summary>What the command line says.</summary>
internal sealed record ClerkOptions(string Definition, string Backend, string[] Command)
{
    /// <returns>Null: it is not understood.</returns>
    public static ClerkOptions? Parse(string[] args)
    {
        var (definition, backend, at) = ("migration.json", "dynamodb", 0);
        for (; at + 1 < args.Length && args[at].StartsWith("--", StringComparison.Ordinal); at += 2)
        {
            switch (args[at])
            {
                case "--definition": definition = args[at + 1]; break;
                case "--backend" when args[at + 1] is "mysql" or "dynamodb" or "both" or "routed": backend = args[at + 1]; break;
                default: return null;
            }
        }

        return at < args.Length && Clerk.IsCommand(args[at..]) ? new ClerkOptions(definition, backend, args[at..]) : null;
    }

    /// <summary>The only place that knows which backend it is.</summary>
    public async Task<IBillingStore> OpenAsync(TextWriter differences, CancellationToken cancellationToken)
    {
        var definition = MigrationDefinitionFile.Load(Definition);
        var login = new SourceCredential(Environment.GetEnvironmentVariable("MYSQL_USER") ?? "root", Environment.GetEnvironmentVariable("MYSQL_PWD") ?? "");
        async Task<IBillingStore> MySqlAsync() => await MySqlBillingStore.OpenAsync(definition, login, TimeProvider.System, cancellationToken);
        async Task<IBillingStore> DynamoDbAsync() => await DynamoDbBillingStore.OpenAsync(definition, new TargetAccess(), TimeProvider.System, cancellationToken);
        return Backend switch
        {
            "mysql" => await MySqlAsync(),
            "dynamodb" => await DynamoDbAsync(),
            "routed" => await RoutedBillingStore.OpenAsync(definition, login, new TargetAccess(), null, TimeProvider.System, cancellationToken),
            _ => new ComparingBillingStore(await MySqlAsync(), await DynamoDbAsync(), difference => differences.WriteLine($"differs: {difference.Call}, {difference.Row}: {difference.What}")),
        };
    }
}
