using System.Collections.Immutable;
using System.Globalization;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Definition;

namespace BillingMigration.Target;

/// <summary>An item as values of .NET: numbers as <see cref="decimal"/> where they fit, else as text; key attributes left out.</summary>
/// <param name="Attributes">In the order of their names.</param>
/// <param name="Sensitive">Attributes that the definition marks sensitive.</param>
public sealed record BillingItem(string Entity, ImmutableSortedDictionary<string, object?> Attributes, ImmutableHashSet<string> Sensitive);

/// <summary>A billing account and what shares its partition, in the order of the sort key.</summary>
public sealed record AccountItems(BillingItem Account, ImmutableArray<BillingItem> Belongings);

/// <summary>Reads the whole partition of one billing account with consistent queries.</summary>
public sealed class AccountReader(MigrationSession session)
{
    private const string AccountEntity = "BILLING_ACCOUNT";

    public MigrationSession Session { get; } = session;

    /// <param name="id">The account's key column, as text.</param>
    /// <param name="cancellationToken">Stops the reading.</param>
    /// <exception cref="MigrationException"><c>AccountNotFound</c>, or <c>AccountKeyNotReadable</c> when the key is not made of one column.</exception>
    public async Task<AccountItems> ReadAsync(string id, CancellationToken cancellationToken)
    {
        var partition = PartitionOf(id);
        var items = new List<BillingItem>();
        var request = new QueryRequest
        {
            TableName = Session.Definition.Target.Table,
            KeyConditionExpression = "pk = :pk",
            ExpressionAttributeValues = new Dictionary<string, AttributeValue> { [":pk"] = new() { S = partition } },
            ConsistentRead = true,
        };
        do
        {
            var page = await Session.Target.Client.QueryAsync(request, cancellationToken);
            items.AddRange((page.Items ?? []).Select(Item));
            request.ExclusiveStartKey = page.LastEvaluatedKey;
        }
        while (request.ExclusiveStartKey is { Count: > 0 });

        var account = items.Find(i => i.Entity == AccountEntity) ?? throw new MigrationException(
            "AccountNotFound",
            MigrationErrorKind.NotFound,
            $"Table {Session.Definition.Target.Table} has no billing account under the key '{partition}'. Check the id, and with Get-BillingMigration whether the account's entity is exported.",
            id);
        return new AccountItems(account, [.. items.Where(i => i != account)]);
    }

    /// <summary>The account's partition key, as the definition's template writes it.</summary>
    private string PartitionOf(string id)
    {
        var template = Session.Definition.Entities.FirstOrDefault(e => e.Entity == AccountEntity)?.PartitionKey;
        if (template is null || template.Columns.Select(c => c.Column).Distinct(StringComparer.OrdinalIgnoreCase).Count() != 1
            || template.Columns.Any(c => c.Lookup is not null || c.Shards is not null || c.Format?.StartsWith('y') == true))
        {
            throw new MigrationException(
                "AccountKeyNotReadable",
                MigrationErrorKind.InvalidDefinition,
                $"An account cannot be found by one id: the partition key of {AccountEntity} is '{template}'. Its template must hold exactly one column, without shards.",
                template?.Text);
        }

        return string.Concat(template.Parts.Select(part => part switch
        {
            KeyLiteral literal => literal.Text,
            KeyColumn { Format: { } format } => id.PadLeft(int.Parse(format.AsSpan(1), CultureInfo.InvariantCulture), '0'),
            _ => id,
        }));
    }

    private BillingItem Item(Dictionary<string, AttributeValue> item)
    {
        var entity = item.TryGetValue("entity", out var name) ? name.S : "";
        var definition = Session.Definition.Entities.FirstOrDefault(e => e.Entity == entity);
        var keys = Session.Definition.Indexes.SelectMany(i => new[] { i.PartitionKeyAttribute, i.SortKeyAttribute }).Append("pk").Append("sk").ToHashSet();
        return new BillingItem(
            entity,
            item.Where(a => !keys.Contains(a.Key)).ToImmutableSortedDictionary(a => a.Key, a => Value(a.Value), StringComparer.Ordinal),
            (definition?.Columns ?? ImmutableSortedDictionary<string, ColumnDefinition>.Empty).Where(c => c.Value.Sensitive).Select(c => c.Value.Attribute ?? c.Key).ToImmutableHashSet(StringComparer.OrdinalIgnoreCase));
    }

    private static object? Value(AttributeValue value) => value switch
    {
        { S: { } text } => text,
        { N: { } number } => decimal.TryParse(number, NumberStyles.Float, CultureInfo.InvariantCulture, out var exact)
            && number.Count(char.IsAsciiDigit) <= 28 ? exact : number,
        { BOOL: { } flag } => flag,
        { B: { } bytes } => bytes.ToArray(),
        { M: { } map } => map.ToImmutableSortedDictionary(e => e.Key, e => Value(e.Value), StringComparer.Ordinal),
        { L: { } list } => list.Select(Value).ToImmutableArray(),
        { SS: { } texts } => texts.ToImmutableArray(),
        { NS: { } numbers } => numbers.ToImmutableArray(),
        _ => null,
    };
}
