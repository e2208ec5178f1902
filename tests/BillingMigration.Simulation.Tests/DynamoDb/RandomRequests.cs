using System.Globalization;

namespace BillingMigration.Simulation.Tests;

/// <summary>
/// Random requests on a table "t" (p S, s N) with two sparse indexes, valid ones and invalid ones. Left out, because DynamoDB Local
/// differs from AWS or AWS's documentation does not decide it: capacity of writes, the order and so the pages of index entries with equal keys.
/// </summary>
internal sealed class RandomRequests(int seed)
{
    public const string CreateTable =
        """
        {"TableName":"tab","BillingMode":"PAY_PER_REQUEST","KeySchema":[{"AttributeName":"p","KeyType":"HASH"},{"AttributeName":"s","KeyType":"RANGE"}],
         "AttributeDefinitions":[{"AttributeName":"p","AttributeType":"S"},{"AttributeName":"s","AttributeType":"N"},
          {"AttributeName":"g","AttributeType":"S"},{"AttributeName":"h","AttributeType":"N"}],
         "GlobalSecondaryIndexes":[
          {"IndexName":"all","KeySchema":[{"AttributeName":"g","KeyType":"HASH"},{"AttributeName":"h","KeyType":"RANGE"}],"Projection":{"ProjectionType":"ALL"}},
          {"IndexName":"some","KeySchema":[{"AttributeName":"g","KeyType":"HASH"}],"Projection":{"ProjectionType":"INCLUDE","NonKeyAttributes":["a","b"]}}]}
        """;

    private static readonly string[] Strings = ["", "x", "xy", "xyz", "y", "é", "￿", "😀"];
    private static readonly string[] Numbers = ["0", "1", "-1", "2.50", "10.0", "1e3", "-0.001", "12345678901234567890123456789012345678", "1E-20", "99e30"];
    private static readonly string[] BadNumbers = ["", "x", "1e200", "1e-200", "123456789012345678901234567890123456789", "1.2.3"];
    private static readonly string[] Paths = ["a", "b", "c", "m.x", "m.y.z", "l[0]", "l[1]", "l[5]", "#n", "m.#n", "q", "g", "h"];
    private static readonly string[] Sections = ["SET", "REMOVE", "ADD", "DELETE"];
    private readonly Random random = new(seed);
    private readonly SortedDictionary<string, string> values = new(StringComparer.Ordinal);
    private bool named;

    public (string Operation, string Json) Next() => random.Next(100) switch
    {
        < 22 => ("PutItem", Write($"\"TableName\":\"tab\",\"Item\":{Item()}", conditionOf: 40, OldReturns())),
        < 45 => ("UpdateItem", Update("\"TableName\":\"tab\"," + Key(), AllReturns())),
        < 50 => ("DeleteItem", Write("\"TableName\":\"tab\"," + Key(), conditionOf: 50, OldReturns())),
        < 60 => ("GetItem", Get(",\"ConsistentRead\":true" + Capacity())),
        < 64 => ("BatchGetItem", $"{{\"RequestItems\":{{\"tab\":{{\"Keys\":[{Many(4, () => KeyMap())}],\"ConsistentRead\":true}}}}}}"),
        < 69 => ("BatchWriteItem", $"{{\"RequestItems\":{{\"tab\":[{Many(5, BatchPart)}]}}}}"),
        < 77 => ("Query", Query()),
        < 82 => ("Scan", Scan()),
        < 96 => ("TransactWriteItems", $"{{\"TransactItems\":[{Many(3, TransactPart)}]{Token()}}}"),
        _ => ("TransactGetItems", $"{{\"TransactItems\":[{Many(3, () => $"{{\"Get\":{Get(string.Empty)}}}")}]}}"),
    };

    private string Pick(params string[] from) => from[random.Next(from.Length)];

    private bool Of(int percent) => random.Next(100) < percent;

    private string Many(int most, Func<string> make) => string.Join(',', Enumerable.Range(0, random.Next(1, most + 1)).Select(_ => make()));

    private string OldReturns() => Pick(string.Empty, ",\"ReturnValues\":\"ALL_OLD\"", ",\"ReturnValues\":\"NONE\",\"ReturnValuesOnConditionCheckFailure\":\"ALL_OLD\"");

    private string AllReturns() => Of(20) ? string.Empty : $",\"ReturnValues\":\"{Pick("ALL_OLD", "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW", "NONE")}\"";

    private string Capacity() => Of(50) ? ",\"ReturnConsumedCapacity\":\"TOTAL\"" : string.Empty;

    private string Token() => Of(30) ? $",\"ClientRequestToken\":\"{seed}-{random.Next(1_000_000)}\"" : string.Empty;

    private string PartitionKey() => Of(3) ? Pick("{\"S\":\"\"}", "{\"N\":\"1\"}") : $"{{\"S\":\"{Pick("k", "l", "m")}\"}}";

    private string KeyMap() => $"{{\"p\":{PartitionKey()},\"s\":{{\"N\":\"{random.Next(4).ToString(CultureInfo.InvariantCulture)}\"}}{(Of(2) ? ",\"z\":{\"S\":\"1\"}" : string.Empty)}}}";

    private string Key() => "\"Key\":" + KeyMap();

    private string Number() => Of(3) ? Pick(BadNumbers) : Pick(Numbers);

    private string Value(int depth = 0) => random.Next(depth > 1 ? 6 : 13) switch
    {
        0 or 10 => $"{{\"S\":\"{Pick(Strings)}\"}}",
        1 or 2 or 11 => $"{{\"N\":\"{Number()}\"}}",
        3 => $"{{\"B\":\"{Pick("AA==", "AAEC", "/w==")}\"}}",
        4 => $"{{\"BOOL\":{Pick("true", "false")}}}",
        5 => "{\"NULL\":true}",
        6 => $"{{\"M\":{{\"x\":{Value(depth + 1)},\"y\":{{\"M\":{{\"z\":{Value(depth + 1)}}}}}}}}}",
        7 => $"{{\"L\":[{Many(3, () => Value(depth + 1))}]}}",
        8 => Of(3) ? "{\"SS\":[]}" : $"{{\"SS\":[{Pick("\"x\"", "\"x\",\"y\"", "\"y\",\"z\"", "\"z\"")}]}}",
        9 => Of(3) ? "{\"NS\":[\"1\",\"1.0\"]}" : $"{{\"NS\":[{Pick("\"1\"", "\"1\",\"2\"", "\"2\",\"3.50\"")}]}}",
        _ => $"{{\"BS\":[{Pick("\"AA==\"", "\"AA==\",\"/w==\"")}]}}",
    };

    private string Item()
    {
        var attributes = new List<string> { $"\"p\":{PartitionKey()}", $"\"s\":{{\"N\":\"{random.Next(4)}\"}}" };
        foreach (var name in new[] { "a", "b", "c", "name" })
        {
            if (Of(60))
            {
                attributes.Add($"\"{name}\":{Value()}");
            }
        }

        attributes.Add(Of(60) ? $"\"m\":{{\"M\":{{\"x\":{Value(1)},\"y\":{{\"M\":{{\"z\":{Value(1)}}}}},\"name\":{Value(1)}}}}}" : $"\"d\":{Value()}");
        attributes.Add(Of(60) ? $"\"l\":{{\"L\":[{Many(3, () => Value(1))}]}}" : "\"e\":{\"BOOL\":true}");
        if (Of(50))
        {
            attributes.Add($"\"g\":{(Of(3) ? "{\"N\":\"1\"}" : $"{{\"S\":\"{Pick("u", "v")}\"}}")}");
            attributes.Add($"\"h\":{{\"N\":\"{random.Next(3)}\"}}");
        }

        return "{" + string.Join(',', attributes) + "}";
    }

    private string Literal(string? value = null)
    {
        var name = ":v" + values.Count;
        values[name] = value ?? Value();
        return name;
    }

    private string Path()
    {
        var path = Pick(Paths);
        named |= path.Contains('#', StringComparison.Ordinal);
        return path;
    }

    private string Operand() => random.Next(10) switch { < 5 => Path(), < 9 => Literal(), _ => $"size({Path()})" };

    private string Condition(int depth = 0) => random.Next(depth > 2 ? 7 : 11) switch
    {
        0 or 1 => $"{Operand()} {Pick("=", "<>", "<", "<=", ">", ">=")} {Operand()}",
        2 => $"{Path()} BETWEEN {Literal("{\"N\":\"-1\"}")} AND {Literal(Of(90) ? "{\"N\":\"5\"}" : "{\"N\":\"-3\"}")}",
        3 => $"{Path()} IN ({Literal()}, {Operand()})",
        4 => $"{Pick("attribute_exists", "attribute_not_exists")}({Path()})",
        5 => $"attribute_type({Path()}, {Literal($"{{\"S\":\"{Pick("S", "N", "M", "L", "SS", "NULL", "BOOL", Of(20) ? "X" : "B")}\"}}")})",
        6 => $"{Pick("begins_with", "contains")}({Path()}, {(Of(60) ? Literal("{\"S\":\"x\"}") : Operand())})",
        7 => $"({Condition(depth + 1)}) AND {Condition(depth + 1)}",
        8 => $"{Condition(depth + 1)} or {Condition(depth + 1)}",
        9 => $"NOT {Condition(depth + 1)}",
        _ => $"({Condition(depth + 1)})",
    };

    /// <summary>Not an index key: DynamoDB Local lets an update give it another type than the index has, AWS refuses that.</summary>
    private string Changed()
    {
        while (true)
        {
            if (Path() is var path and not ("g" or "h"))
            {
                return path;
            }
        }
    }

    private string Action(string kind) => kind switch
    {
        "SET" => $"{Changed()} = {SetOperand(0)}",
        "REMOVE" => Path(),
        "ADD" => $"{Changed()} {Literal(Of(85) ? Pick("{\"N\":\"1.5\"}", "{\"SS\":[\"x\",\"w\"]}", "{\"NS\":[\"1\",\"7\"]}") : null)}",
        _ => $"{Changed()} {Literal(Of(90) ? Pick("{\"SS\":[\"x\",\"w\"]}", "{\"NS\":[\"1\",\"7\"]}") : null)}",
    };

    private string SetOperand(int depth) => random.Next(depth > 1 ? 5 : 9) switch
    {
        0 or 1 or 2 => Literal(),
        3 => Path(),
        4 => $"if_not_exists({Path()}, {Literal()})",
        5 => $"{SetOperand(5)} {Pick("+", "-")} {Literal("{\"N\":\"0.1\"}")}",
        6 => $"if_not_exists({Path()}, {Literal("{\"N\":\"3\"}")}) + {Literal("{\"N\":\"4\"}")}",
        7 => $"list_append({Path()}, {Literal("{\"L\":[{\"S\":\"n\"}]}")})",
        _ => $"list_append(if_not_exists({Path()}, {Literal("{\"L\":[]}")}), {Literal(Of(90) ? "{\"L\":[{\"S\":\"n\"}]}" : null)})",
    };

    private string Finish(string members)
    {
        var unused = values.Count > 0 && Of(2) ? "\":unused\":{\"S\":\"x\"}" : null;
        var all = values.Select(v => $"\"{v.Key}\":{v.Value}").Concat(unused is null ? [] : [unused]).ToArray();
        var json = "{" + members + (named ? ",\"ExpressionAttributeNames\":{\"#n\":\"name\"}" : string.Empty)
            + (all.Length > 0 ? $",\"ExpressionAttributeValues\":{{{string.Join(',', all)}}}" : string.Empty) + "}";
        values.Clear();
        named = false;
        return json;
    }

    private string Write(string members, int conditionOf, string rest) =>
        Finish(members + (Of(conditionOf) ? $",\"ConditionExpression\":\"{Condition()}\"" : string.Empty) + rest);

    private string Update(string members, string rest)
    {
        var kinds = Sections.Where(_ => Of(40)).DefaultIfEmpty("SET").ToArray();
        var update = string.Join(' ', kinds.Select(k => $"{k} {string.Join(", ", Enumerable.Range(0, random.Next(1, 3)).Select(_ => Action(k)))}"));
        return Write($"{members},\"UpdateExpression\":\"{update}\"", conditionOf: 30, rest);
    }

    private string Projected() => Of(50) ? string.Empty : $",\"ProjectionExpression\":\"{string.Join(", ", Enumerable.Range(0, random.Next(1, 4)).Select(_ => Path()))}\"";

    private string Get(string rest) => Finish("\"TableName\":\"tab\"," + Key() + Projected() + rest);

    private string BatchPart() => Of(60) ? $"{{\"PutRequest\":{{\"Item\":{Item()}}}}}" : $"{{\"DeleteRequest\":{{{Key()}}}}}";

    private string TransactPart() => random.Next(4) switch
    {
        0 => $"{{\"Put\":{Write($"\"TableName\":\"tab\",\"Item\":{Item()}", 50, FailureReturns())}}}",
        1 => $"{{\"Update\":{Update("\"TableName\":\"tab\"," + Key(), FailureReturns())}}}",
        2 => $"{{\"Delete\":{Write("\"TableName\":\"tab\"," + Key(), 50, FailureReturns())}}}",
        _ => $"{{\"ConditionCheck\":{Write("\"TableName\":\"tab\"," + Key(), 95, FailureReturns())}}}",
    };

    private string FailureReturns() => Of(50) ? string.Empty : ",\"ReturnValuesOnConditionCheckFailure\":\"ALL_OLD\"";

    private string Filter() => Of(50) ? string.Empty : $",\"FilterExpression\":\"{Condition(2)}\"";

    private string Query()
    {
        var key = random.Next(3);
        var range = random.Next(6) switch
        {
            0 => $" AND {{0}} BETWEEN {Literal("{\"N\":\"1\"}")} AND {Literal("{\"N\":\"2\"}")}",
            1 or 2 => $" AND {{0}} {Pick("=", "<", "<=", ">", ">=", Of(10) ? "<>" : "=")} {Literal("{\"N\":\"1\"}")}",
            _ => string.Empty,
        };
        var condition = key == 0 ? "p = " + Literal(PartitionKey()) + range.Replace("{0}", "s", StringComparison.Ordinal)
            : $"g = {Literal("{\"S\":\"u\"}")}" + (key == 1 ? range : string.Empty).Replace("{0}", "h", StringComparison.Ordinal);
        if (key == 2)
        {
            foreach (var name in values.Keys.Where(n => !condition.Contains(n, StringComparison.Ordinal)).ToArray())
            {
                values.Remove(name);
            }
        }

        var index = key == 0 ? ",\"ConsistentRead\":true" : $",\"IndexName\":\"{(key == 1 ? "all" : "some")}\"";
        return Finish($"\"TableName\":\"tab\",\"KeyConditionExpression\":\"{condition}\"{index}{Filter()}{(key == 0 ? Pages() : string.Empty)}"
            + Pick(string.Empty, ",\"ScanIndexForward\":false") + (key == 2 && Of(80) ? string.Empty : Of(20) ? ",\"Select\":\"COUNT\"" : Projected()) + Capacity());
    }

    private string Scan() => Finish($"\"TableName\":\"tab\"{Filter()}{Projected()}" + Pick(string.Empty, ",\"IndexName\":\"all\"", ",\"ConsistentRead\":true") + Capacity());

    private string Pages() => Of(60) ? string.Empty : $",\"Limit\":{random.Next(Of(5) ? 0 : 1, 3)}";
}
