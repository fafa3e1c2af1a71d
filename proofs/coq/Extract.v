From Coq Require Import ZArith List FMapPositive Extraction ExtrOcamlBasic ExtrOcamlZBigInt ExtrOcamlNatInt.
From Exactcam Require Import Network Evaluate Checker Batch.
Extraction Language OCaml.
Extract Constant Z.lor => "Zar.logor".
Extract Constant Z.land => "Zar.logand".
Extract Constant Z.gcd => "Zar.gcd".
Extract Constant Z.add => "Zar.add".
Extract Constant Z.sub => "Zar.sub".
Extract Constant Z.mul => "Zar.mul".
Extract Constant Z.eqb => "Zar.equal".
Extract Constant Z.ltb => "Zar.lt".
Extract Constant Z.leb => "Zar.leq".
Extract Constant Z.shiftl => "(fun x k -> Zar.shift_left x (Zar.to_int k))".
Extract Constant Z.shiftr => "(fun x k -> Zar.shift_right x (Zar.to_int k))".
Extract Constant Z.log2 => "(fun x -> if Zar.sign x <= 0 then Zar.zero else Zar.of_int (Zar.numbits x - 1))".
Extract Constant Z.pow => "(fun x k -> if Zar.sign k < 0 then Zar.zero else Zar.pow x (Zar.to_int k))".
Extract Constant Z.ones => "(fun k -> Zar.pred (Zar.shift_left Zar.one (Zar.to_int k)))".
Extract Constant extract => "(fun y o l -> Zar.extract y (Zar.to_int o) (Zar.to_int l))".
Extraction "checker.ml" check check_fast.
