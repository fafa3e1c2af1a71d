(* From what files say to what the checker computes with: integers over one denominator, sources counted back,
   rows that skip zeros. The real functions are the same. *)
From Coq Require Import Reals Lra Psatz ZArith List Bool.
From Exactcam Require Import Format Claim.
From Exactcam Require Network Evaluate Checker.
Import ListNotations.
Open Scope Z_scope.

(* ---------- rationals over a common denominator *)
Definition lcm_from (d : positive) (qs : list rational) : positive :=
  fold_left (fun d q => Z.to_pos (Z.lcm (Zpos d) (Zpos (below q)))) qs d.
Definition over (d : positive) (q : rational) : Z := above q * (Zpos d / Zpos (below q)).

Definition fits_over (d : positive) (q : rational) : Prop := (Zpos (below q) | Zpos d).
Lemma lcm_pos a b : Zpos (Z.to_pos (Z.lcm (Zpos a) (Zpos b))) = Z.lcm (Zpos a) (Zpos b).
Proof.
  apply Z2Pos.id. pose proof (Z.lcm_nonneg (Zpos a) (Zpos b)).
  assert (Z.lcm (Zpos a) (Zpos b) <> 0) by (intros E; apply Z.lcm_eq_0 in E; lia). lia.
Qed.
Lemma lcm_from_ok qs : forall d, (Zpos d | Zpos (lcm_from d qs)) /\ forall q, In q qs -> fits_over (lcm_from d qs) q.
Proof.
  induction qs as [|q qs IH]; intros d; cbn [lcm_from fold_left]; [split; [apply Z.divide_refl | intros q []]|].
  destruct (IH (Z.to_pos (Z.lcm (Zpos d) (Zpos (below q))))) as [A B]. fold (lcm_from (Z.to_pos (Z.lcm (Zpos d) (Zpos (below q)))) qs).
  rewrite lcm_pos in A. split.
  - eapply Z.divide_trans; [apply Z.divide_lcm_l | exact A].
  - intros r [<-|I]; [|apply B, I]. eapply Z.divide_trans; [apply Z.divide_lcm_r | exact A].
Qed.
Lemma over_ok d q : fits_over d q -> (IZR (over d q) = real q * IZR (Zpos d))%R.
Proof.
  intros [k E]. unfold over, real. rewrite E, Z.div_mul by discriminate. rewrite !mult_IZR. field. apply IZR_neq. discriminate.
Qed.

(* ---------- rows *)
Fixpoint gaps (from : Z) (row : list (Z * Z)) : Network.row :=
  match row with [] => [] | (c, a) :: t => (Z.to_nat (c - from), a) :: gaps (c + 1) t end.
Lemma dot_nil m : Network.dot m [] = 0%R.
Proof. destruct m as [|[[|g] a] m]; reflexivity. Qed.
Lemma skipn_cons {A} (x : list A) : forall c y t d, skipn c x = y :: t -> nth c x d = y /\ skipn (S c) x = t.
Proof.
  induction x as [|z x IH]; intros [|c] y t d E; try discriminate.
  - cbn in *. injection E as -> ->. auto.
  - cbn [skipn nth] in *. destruct (IH c y t d E). auto.
Qed.
Lemma skipn_skipn {A} a b : forall l : list A, skipn a (skipn b l) = skipn (b + a) l.
Proof. induction b as [|b IH]; intros [|x l]; try reflexivity; [destruct a; reflexivity | apply IH]. Qed.
Lemma gaps_ok row : forall f x, increasing (Z.of_nat f - 1 :: map fst row) = true ->
  Network.dot (gaps (Z.of_nat f) row) (skipn f x) = Claim.dot row x.
Proof.
  induction row as [|[c a] row IH]; intros f x H; [reflexivity|].
  cbn [map fst] in H. apply andb_true_iff in H. destruct H as [H1 H2]. apply Z.ltb_lt in H1.
  assert (T : Network.dot (gaps (c + 1) row) (skipn (S (Z.to_nat c)) x) = Claim.dot row x).
  { replace (c + 1) with (Z.of_nat (S (Z.to_nat c))) by lia. apply IH.
    replace (Z.of_nat (S (Z.to_nat c)) - 1) with c by lia. exact H2. }
  cbn [gaps Network.dot Claim.dot fold_right]. change (fold_right _ 0%R row) with (Claim.dot row x). rewrite <- T.
  assert (E : skipn (Z.to_nat (c - Z.of_nat f)) (skipn f x) = skipn (Z.to_nat c) x).
  { rewrite skipn_skipn. f_equal. lia. }
  rewrite E. destruct (skipn (Z.to_nat c) x) as [|y t] eqn:K.
  - unfold entry. assert (L : (length x <= Z.to_nat c)%nat).
    { apply (f_equal (@length R)) in K. rewrite skipn_length in K. simpl in K. lia. }
    rewrite nth_overflow by exact L. rewrite skipn_all2 by lia. rewrite dot_nil. ring.
  - destruct (skipn_cons x (Z.to_nat c) y t 0%R K) as [E1 E2]. unfold entry. rewrite E1, E2. reflexivity.
Qed.

(* ---------- nodes *)
Definition scaled (d : positive) (p : rational * rational) : Network.affmap := (over d (fst p), over d (snd p)).
Definition unit_of (d : positive) (f : piecewise) : Network.plf :=
  match pieces f with
  | [] => Network.Plf (0, 0) []
  | p :: ps => Network.Plf (scaled d p) (combine (map (fun t => (above t, below t)) (breakpoints f)) (map (scaled d) ps))
  end.
Definition numbers_of (f : piecewise) : list rational := flat_map (fun p => [fst p; snd p]) (pieces f).
Definition back (k : nat) (i : Z) : nat := (k - Z.to_nat i)%nat.
Definition translate_node (k : nat) (n : node) : Network.node :=
  match n with
  | Affine inputs matrices bias scale =>
      Network.Affine (map (fun im => (back k (fst im), map (gaps 0) (rows (snd im)))) (combine inputs matrices)) bias (Z.to_pos scale)
  | Pointwise input functions which =>
      let d := fold_left (fun d f => lcm_from d (numbers_of f)) functions 1%positive in
      let us := map (unit_of d) functions in
      Network.Pointwise (back k input) d (map (fun w => nth (Z.to_nat w) us (unit_of d (Piecewise [] []))) which)
  | Max input groups => Network.Max (back k input) (map (map Z.to_nat) groups)
  end.
Fixpoint translate_nodes (k : nat) (ns : list node) : Network.net :=
  match ns with [] => [] | n :: t => translate_node k n :: translate_nodes (S k) t end.

Lemma count_ok {A} (l : list A) : forall n, count l n = n + Z.of_nat (length l).
Proof. induction l as [|a l IH]; intros n; cbn [count length]; [lia|]. rewrite IH. lia. Qed.
Lemma size_ok {A} (l : list A) : size l = Z.of_nat (length l).
Proof. unfold size. rewrite count_ok. reflexivity. Qed.
Lemma back_ok (values : list vec) k i : length values = S k -> below_ (Z.of_nat (S k)) i = true ->
  nth (back k i) (rev values) [] = value values i.
Proof.
  intros L B. apply andb_true_iff in B. destruct B as [B1 B2]. apply Z.leb_le in B1. apply Z.ltb_lt in B2.
  unfold back, value. rewrite rev_nth by lia. f_equal. lia.
Qed.

Open Scope R_scope.
Definition fits_piece d (p : rational * rational) := fits_over d (fst p) /\ fits_over d (snd p).
Lemma scaled_ok d p x : fits_piece d p -> Network.app_aff d (scaled d p) x = real (fst p) * x + real (snd p).
Proof.
  intros [A B]. unfold Network.app_aff, scaled. cbn [fst snd]. rewrite !over_ok by assumption. field. apply IZR_neq. discriminate.
Qed.
Lemma applied_ok d x ts : forall p ps, length ps = length ts -> (forall p', In p' (p :: ps) -> fits_piece d p') ->
  Network.pl d (scaled d p) (combine (map (fun t => (above t, below t)) ts) (map (scaled d) ps)) x = applied ts (p :: ps) x.
Proof.
  induction ts as [|t ts IH]; intros p [|p' ps] L F; simpl in L; try discriminate; destruct p as [s c].
  - apply scaled_ok, F. left. reflexivity.
  - cbn [map combine Network.pl applied]. change (Network.brk (above t, below t)) with (real t).
    destruct (Rle_dec x (real t)); [apply scaled_ok, F; left; reflexivity|].
    apply IH; [congruence | intros q I; apply F; right; exact I].
Qed.
Lemma continuous_length ts : forall ps, continuous ts ps = true -> length ps = S (length ts).
Proof.
  induction ts as [|t ts IH]; intros [|p [|p' ps]] H; try discriminate; [reflexivity|].
  cbn [continuous] in H. rewrite !andb_true_iff in H. destruct H as [_ H]. cbn [length]. f_equal. apply (IH (p' :: ps) H).
Qed.
Definition good_function d (f : piecewise) := is_function f = true /\ forall p, In p (pieces f) -> fits_piece d p.
Lemma good_unit d f : good_function d f ->
  (forall x, Network.pl d (Network.first (unit_of d f)) (Network.rest (unit_of d f)) x = applied (breakpoints f) (pieces f) x) /\
  Network.knots (unit_of d f) = map (fun t => (above t, below t)) (breakpoints f).
Proof.
  intros [H F]. unfold is_function in H. rewrite !andb_true_iff in H. destruct H as [_ C]. apply continuous_length in C.
  unfold unit_of. destruct (pieces f) as [|p ps]; [discriminate|]. injection C as C. cbn [Network.first Network.rest]. split.
  - intros x. apply applied_ok; assumption.
  - unfold Network.knots. cbn [Network.rest]. clear F p. revert ps C. induction (breakpoints f) as [|t ts IH]; intros [|p ps] C; simpl in C; try discriminate; [reflexivity|].
    cbn [map combine fst]. f_equal. apply IH. congruence.
Qed.
Lemma units_ok d fs : (forall f, In f fs -> good_function d f) -> forall x,
  Network.pw d (map (unit_of d) fs) x = map (fun '(f, z) => applied (breakpoints f) (pieces f) z) (combine fs x) /\
  Network.pw_obs (map (unit_of d) fs) x = flat_map (fun '(f, z) => map (fun t => z - real t) (breakpoints f)) (combine fs x).
Proof.
  induction fs as [|f fs IH]; intros G x; [split; reflexivity|]. destruct x as [|z x]; [split; reflexivity|].
  destruct (IH (fun f I => G f (or_intror I)) x) as [E1 E2]. destruct (good_unit d f (G f (or_introl eq_refl))) as [U1 U2].
  cbn [map combine flat_map Network.pw Network.pw_obs]. rewrite E1, E2, U1, U2, map_map. split; reflexivity.
Qed.
Lemma lcm_functions fs : forall d, (Zpos d | Zpos (fold_left (fun d f => lcm_from d (numbers_of f)) fs d))%Z /\
  forall f p, In f fs -> In p (pieces f) -> fits_piece (fold_left (fun d f => lcm_from d (numbers_of f)) fs d) p.
Proof.
  induction fs as [|f fs IH]; intros d; cbn [fold_left]; [split; [apply Z.divide_refl | intros f p []]|].
  destruct (lcm_from_ok (numbers_of f) d) as [A B]. destruct (IH (lcm_from d (numbers_of f))) as [C D]. split.
  - eapply Z.divide_trans; [exact A | exact C].
  - intros g p [<-|I] J; [|apply (D g p I J)]. assert (K : forall q, In q [fst p; snd p] -> In q (numbers_of f)).
    { intros q Q. apply in_flat_map. exists p. auto. }
    split; (eapply Z.divide_trans; [apply B, K; simpl; auto | exact C]).
Qed.

Theorem node_ok k n values sizes : length values = S k -> size sizes = Z.of_nat (S k) -> node_fits sizes n = true ->
  Network.value (translate_node k n) (rev values) = compute n values /\
  Network.obs (translate_node k n) (rev values) = from_breakpoints n values /\
  Network.grp (translate_node k n) (rev values) = from_maxima n values.
Proof.
  intros L Sz H. unfold node_fits in H. apply andb_true_iff in H. destruct H as [H _]. rewrite Sz in H.
  destruct n as [ins ms bias scale|i fs which|i gs]; rewrite ?andb_true_iff in H.
  - destruct H as ((((_ & _) & H2) & H3) & H4). apply Z.ltb_lt in H4. repeat split.
    cbn [translate_node Network.value compute]. rewrite Z2Pos.id by lia. f_equal.
    rewrite forallb_forall in H2, H3.
    assert (IN : forall im, In im (combine ins ms) -> below_ (Z.of_nat (S k)) (fst im) = true).
    { intros [j m] I. apply H2. eapply in_combine_l, I. }
    induction (combine ins ms) as [|[j m] l IH]; [reflexivity|]. cbn [map fold_right fst snd].
    rewrite IH by (intros; (apply H3 || apply IN); right; assumption). change Network.vadd with plus. f_equal.
    rewrite (back_ok values k j L (IN _ (or_introl eq_refl))). unfold times. rewrite map_map. refine (map_ext_in _ _ _ _). intros row I.
    pose proof (H3 _ (or_introl eq_refl)) as F. cbv beta iota in F. unfold fits in F. apply andb_true_iff in F. destruct F as [_ F].
    rewrite forallb_forall in F. exact (gaps_ok row 0 (value values j) (F row I)).
  - destruct H as (((H1 & H2) & H3) & _). cbn [translate_node Network.value Network.obs Network.grp compute from_breakpoints from_maxima].
    rewrite (back_ok values k i L H1). set (d := fold_left _ fs 1%positive). unfold units.
    rewrite forallb_forall in H2, H3.
    assert (E : map (fun w => nth (Z.to_nat w) (map (unit_of d) fs) (unit_of d (Piecewise [] []))) which
       = map (unit_of d) (map (fun w => nth (Z.to_nat w) fs (Piecewise [] [])) which)).
    { rewrite map_map. apply map_ext. intros w. apply map_nth. }
    rewrite E. destruct (units_ok d (map (fun w => nth (Z.to_nat w) fs (Piecewise [] [])) which)) with (x := value values i) as [U1 U2]; [|auto].
    intros f I. apply in_map_iff in I. destruct I as (w & <- & I). specialize (H3 w I). apply andb_true_iff in H3. destruct H3 as [W1 W2].
    apply Z.leb_le in W1. apply Z.ltb_lt in W2. rewrite size_ok in W2.
    assert (J : In (nth (Z.to_nat w) fs (Piecewise [] [])) fs) by (apply nth_In; lia).
    split; [apply H2, J|]. intros p P. apply (proj2 (lcm_functions fs 1%positive) _ _ J P).
  - destruct H as [H1 _]. cbn [translate_node Network.value Network.obs Network.grp compute from_breakpoints from_maxima].
    rewrite (back_ok values k i L H1), !map_map. repeat split; apply map_ext; intros g; unfold Network.members; unfold members; cbv zeta; rewrite !map_map; reflexivity.
Qed.
Theorem nodes_ok ns : forall k values sizes, length values = S k -> size sizes = Z.of_nat (S k) -> nodes_fit ns sizes = true ->
  Network.observed (translate_nodes k ns) (rev values) = all_from_breakpoints ns values /\
  Network.grouped (translate_nodes k ns) (rev values) = all_from_maxima ns values.
Proof.
  induction ns as [|n ns IH]; intros k values sizes L Sz H; [split; reflexivity|].
  cbn [nodes_fit] in H. apply andb_true_iff in H. destruct H as [H1 H2].
  destruct (node_ok k n values sizes L Sz H1) as (V & O & G).
  destruct (IH (S k) (values ++ [compute n values]) (sizes ++ [node_size n])) as [A B].
  - rewrite app_length, L. simpl. lia.
  - rewrite size_ok in *. rewrite app_length. simpl. lia.
  - exact H2.
  - cbn [translate_nodes Network.observed Network.grouped all_from_breakpoints all_from_maxima]. rewrite V, O, G.
    rewrite rev_unit in A, B. rewrite A, B. split; reflexivity.
Qed.
Theorem values_ok ns : forall k values sizes, length values = S k -> size sizes = Z.of_nat (S k) -> nodes_fit ns sizes = true ->
  Network.values (translate_nodes k ns) (rev values) = rev (all_values ns values).
Proof.
  induction ns as [|n ns IH]; intros k values sizes L Sz H; [reflexivity|].
  cbn [nodes_fit] in H. apply andb_true_iff in H. destruct H as [H1 H2]. destruct (node_ok k n values sizes L Sz H1) as (V & _ & _).
  cbn [translate_nodes Network.values all_values]. rewrite V, <- rev_unit. apply (IH (S k) _ (sizes ++ [node_size n])).
  - rewrite app_length, L. simpl. lia.
  - rewrite size_ok in *. rewrite app_length. simpl. lia.
  - exact H2.
Qed.
Lemma all_values_length ns : forall values, length (all_values ns values) = (length ns + length values)%nat.
Proof. induction ns as [|n ns IH]; intros values; cbn [all_values length]; [reflexivity|]. rewrite IH, app_length. simpl. lia. Qed.

(* ---------- slice and window *)
Fixpoint rows_over (d : positive) (o a b : list rational) : list (Z * Z * Z) :=
  match o, a, b with o1 :: o', a1 :: a', b1 :: b' => (over d a1, over d b1, over d o1) :: rows_over d o' a' b' | _, _, _ => [] end.
Definition denominator (s : slice) : positive := lcm_from (lcm_from (lcm_from 1 (origin s)) (e1 s)) (e2 s).
Definition corner_over (c : rational * rational) : Evaluate.hpt :=
  let d := lcm_from 1 [fst c; snd c] in (over d (fst c), over d (snd c), Zpos d).
Definition question (n : network) (s : slice) : Checker.question :=
  Checker.Q (translate_nodes 0 (nodes n)) (rows_over (denominator s) (origin s) (e1 s) (e2 s)) (denominator s) (map corner_over (window s)).

Lemma corner_over_ok c : (0 < Evaluate.hw (corner_over c))%Z /\ Evaluate.hp (corner_over c) = P (real (fst c)) (real (snd c)).
Proof.
  destruct c as [x y]. unfold corner_over, Evaluate.hw, Evaluate.hp. cbn [fst snd]. split; [reflexivity|].
  destruct (lcm_from_ok [x; y] 1) as [_ D]. rewrite !over_ok by (apply D; simpl; auto). f_equal; field; apply IZR_neq; discriminate.
Qed.
Lemma window_ok n s : map Evaluate.hp (Checker.window (question n s)) = corners s.
Proof. cbn [question Checker.window]. rewrite map_map. apply map_ext. intros c. apply corner_over_ok. Qed.
Lemma denominator_ok s q : In q (origin s) \/ In q (e1 s) \/ In q (e2 s) -> fits_over (denominator s) q.
Proof.
  unfold denominator. destruct (lcm_from_ok (origin s) 1) as [_ A]. destruct (lcm_from_ok (e1 s) (lcm_from 1 (origin s))) as [B C].
  destruct (lcm_from_ok (e2 s) (lcm_from (lcm_from 1 (origin s)) (e1 s))) as [D E].
  intros [I|[I|I]]; [| |apply E, I]; (eapply Z.divide_trans; [|exact D]); [|apply C, I]. eapply Z.divide_trans; [apply A, I | exact B].
Qed.
Lemma input_ok n s p : Network.input (Checker.rows (question n s)) (Checker.den (question n s)) p = input s p.
Proof.
  unfold input. cbn [question Checker.rows Checker.den]. pose proof (denominator_ok s) as D. revert D. generalize (denominator s) as d.
  intros d. generalize (origin s), (e1 s), (e2 s). induction l as [|o os IH]; intros [|a as_] [|b bs] D; try reflexivity.
  cbn [rows_over Network.input map combination]. fold (Network.input (rows_over d os as_ bs) d p).
  rewrite IH by (intros q [I|[I|I]]; apply D; simpl; auto). f_equal.
  rewrite !over_ok by (apply D; simpl; auto). field. apply IZR_neq. discriminate.
Qed.
Theorem pattern_ok n s p : well_formed n s = true ->
  Network.pattern (Checker.network (question n s)) (Network.input (Checker.rows (question n s)) (Checker.den (question n s)) p)
  = pattern n (input s p).
Proof.
  intros W. rewrite input_ok. unfold well_formed in W. rewrite !andb_true_iff in W.
  destruct W as ((((_ & W) & _) & _) & _).
  unfold Network.pattern, pattern. cbn [question Checker.network].
  destruct (nodes_ok (nodes n) 0 [input s p] [inputs n] eq_refl eq_refl W) as [A B]. cbn [rev app] in A, B. rewrite A, B. reflexivity.
Qed.
(* the output's place, counted back from the last value *)
Definition place (n : network) : nat := Z.to_nat (size (nodes n) - output n).
Theorem outputs_ok n s p : well_formed n s = true ->
  nth (place n) (Network.values (Checker.network (question n s)) [Network.input (Checker.rows (question n s)) (Checker.den (question n s)) p]) []
  = outputs n s p.
Proof.
  intros W. rewrite input_ok. unfold well_formed in W. rewrite !andb_true_iff in W. destruct W as ((((_ & W) & B) & _) & _).
  apply andb_true_iff in B. destruct B as [B1 B2]. apply Z.leb_le in B1. apply Z.ltb_lt in B2. cbn [question Checker.network].
  pose proof (values_ok (nodes n) 0 [input s p] [inputs n] eq_refl eq_refl W) as E. cbn [rev app] in E. rewrite E.
  unfold outputs, value, place. rewrite size_ok in *. rewrite rev_nth by (rewrite all_values_length; simpl; lia). rewrite all_values_length. simpl length. f_equal. lia.
Qed.
